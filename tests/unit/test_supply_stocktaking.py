"""adjust_stock: what is counted or lost, and when it may be noted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from shared.kernel.decision import By, Role
from shared.kernel.errors import Bug, Forbidden, NotFound
from shared.kernel.ids import AdjustmentId, KeyId, MerchantId, ShopId
from shared.supply.facts import StockAdjusted
from shared.supply.model import AdjustStock, StockLevel
from shared.supply.stocktaking import NotEnoughStock, StockMoved, adjust, evolve_adjustment

SHOP, MERCHANT, ADJUSTMENT = ShopId.new(), MerchantId.new(), AdjustmentId.new()
MANAGER = By(KeyId.new(), frozenset({Role.MANAGER}), MERCHANT)
SHELF = {"beans": StockLevel(sku="beans", on_hand=10, reserved=4, free=6, version=7)}


def adjusted(
    reason: str, *lines: Mapping[str, object], by: By = MANAGER, shelf: Mapping[str, StockLevel] = SHELF
) -> StockAdjusted:
    command = AdjustStock.model_validate({"reason": reason, "lines": list(lines), "note": "by hand"})
    (fact,) = adjust(ADJUSTMENT, SHOP, command, shelf=shelf, merchant_id=MERCHANT, by=by)
    assert isinstance(fact, StockAdjusted)
    return fact


@pytest.mark.parametrize(
    ("reason", "line", "delta"),
    [
        ("waste", {"sku": "beans", "delta": -6}, -6),
        ("damage", {"sku": "beans", "delta": -1}, -1),
        ("theft", {"sku": "beans", "delta": -1}, -1),
        ("correction", {"sku": "beans", "delta": 5}, 5),
        ("correction", {"sku": "milk", "delta": 5}, 5),
        ("correction", {"sku": "beans", "counted": 4, "version": 7}, -6),
        ("count", {"sku": "beans", "counted": 4, "version": 7}, -6),
        ("count", {"sku": "beans", "counted": 10, "version": 7}, 0),
        ("count", {"sku": "beans", "counted": 1000, "version": 7}, 990),
        ("count", {"sku": "milk", "counted": 3, "version": 0}, 3),
    ],
)
def test_the_books_follow_what_is_on_the_shelf(reason: str, line: dict[str, object], delta: int) -> None:
    fact = adjusted(reason, line)
    assert (fact.reason, fact.lines[0].delta, fact.note) == (reason, delta, "by hand")
    assert evolve_adjustment(None, fact).lines == fact.lines
    with pytest.raises(Bug):
        evolve_adjustment(evolve_adjustment(None, fact), fact)


@pytest.mark.parametrize("version", [0, 6, 8])
def test_a_count_of_what_moved_since_is_refused_with_how_it_stands(version: int) -> None:
    with pytest.raises(StockMoved) as moved:
        adjusted("count", {"sku": "beans", "counted": 10, "version": version})
    assert moved.value.fields == {"sku": "beans", "version": 7, "on_hand": 10}
    with pytest.raises(StockMoved):
        adjusted("count", {"sku": "milk", "counted": 1, "version": 1})


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("waste", {"sku": "beans", "delta": -7}),
        ("correction", {"sku": "beans", "delta": -11}),
        ("count", {"sku": "beans", "counted": 3, "version": 7}),
        ("theft", {"sku": "milk", "delta": -1}),
    ],
)
def test_nothing_goes_below_zero_or_into_what_orders_hold(reason: str, line: dict[str, object]) -> None:
    with pytest.raises(NotEnoughStock) as refused:
        adjusted(reason, line)
    assert refused.value.fields["sku"] == line["sku"]


def test_owner_and_manager_of_the_shop_adjust_its_stock() -> None:
    line = {"sku": "beans", "delta": -1}
    adjusted("waste", line, by=By(KeyId.new(), frozenset({Role.OWNER}), MERCHANT))
    with pytest.raises(Forbidden):
        adjusted("waste", line, by=By(KeyId.new(), frozenset({Role.BARISTA}), MERCHANT))
    with pytest.raises(NotFound):
        adjusted("waste", line, by=By(KeyId.new(), frozenset({Role.OWNER}), MerchantId.new()))


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "waste", "lines": []},
        {"reason": "waste", "lines": [{"sku": "beans"}]},
        {"reason": "waste", "lines": [{"sku": "beans", "delta": 0}]},
        {"reason": "waste", "lines": [{"sku": "beans", "delta": 1}]},
        {"reason": "waste", "lines": [{"sku": "beans", "delta": -1.5}]},
        {"reason": "waste", "lines": [{"sku": "beans", "delta": -1_000_001}]},
        {"reason": "waste", "lines": [{"sku": "beans", "delta": "-1"}]},
        {"reason": "waste", "lines": [{"sku": "beans", "delta": -1}] * 2},
        {"reason": "waste", "lines": [{"sku": "beans", "counted": 1, "version": 1}]},
        {"reason": "count", "lines": [{"sku": "beans", "delta": -1}]},
        {"reason": "count", "lines": [{"sku": "beans", "counted": 1}]},
        {"reason": "count", "lines": [{"sku": "beans", "counted": -1, "version": 1}]},
        {"reason": "count", "lines": [{"sku": "beans", "counted": 1, "version": True}]},
        {"reason": "count", "lines": [{"sku": "beans", "counted": 1, "delta": 1, "version": 1}]},
        {"reason": "correction", "lines": [{"sku": "beans", "delta": 1, "version": 1}]},
        {"reason": "gift", "lines": [{"sku": "beans", "delta": 1}]},
    ],
    ids=str,
)
def test_an_adjustment_that_makes_no_sense_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AdjustStock.model_validate(body)
