"""Recipes and units: what items and choices take, in whole base units, and what an order reserves by them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.kernel.decision import By, Role
from shared.kernel.errors import Forbidden, Invalid, NotFound
from shared.kernel.facts import fact_of
from shared.kernel.ids import ItemId, KeyId, MerchantId, ModifierId, OrderId, ReceiptId, ShopId, UserId
from shared.kernel.money import Fiat
from shared.orders.facts import ChosenModifier, OrderLine, OrderPlaced, Taken
from shared.orders.ports import Takes
from shared.orders.taking import MOST, by_recipes
from shared.supply import recipes
from shared.supply.facts import BaseUnit, RecipePut, StockReceived
from shared.supply.lifecycle import UnitMismatch, receive
from shared.supply.model import PutRecipe, ReceiveStock, StockLevel
from shared.supply.units import Unit, base_of, in_base
from tests.naming import shown

SHOP, MERCHANT = ShopId.new(), MerchantId.new()
MANAGER = By(KeyId.new(), frozenset({Role.MANAGER}), MERCHANT)
FLAT_WHITE, OAT, SHOT = ItemId.new(), ModifierId.new(), ModifierId.new()
SHELF = {
    "beans": StockLevel(sku="beans", unit=BaseUnit.G, on_hand=5000, reserved=0, free=5000, version=1),
    "milk": StockLevel(sku="milk", unit=BaseUnit.ML, on_hand=9000, reserved=0, free=9000, version=1),
    "oat-milk": StockLevel(sku="oat-milk", unit=BaseUnit.ML, on_hand=9000, reserved=0, free=9000, version=1),
}
COFFEE = [{"sku": "beans", "quantity": 18, "unit": "g"}, {"sku": "milk", "quantity": 16, "unit": "cl"}]


def put(product_id: str, takes: object = (), instead: object = (), *, sold: bool = True, by: By = MANAGER) -> RecipePut:
    command = PutRecipe.model_validate({"product_id": product_id, "takes": takes, "instead": instead})
    (fact,) = recipes.put(SHOP, command, sold=sold, shelf=SHELF, merchant_id=MERCHANT, by=by).facts
    assert isinstance(fact, RecipePut)
    return fact


def test_a_recipe_is_kept_in_the_units_its_skus_are_counted_in() -> None:
    fact = put(FLAT_WHITE, COFFEE)
    assert [(line.sku, line.quantity, line.unit) for line in fact.takes] == [("beans", 18, "g"), ("milk", 160, "ml")]
    state = recipes.evolve_recipe(None, fact)
    assert (state.recipe_id, state.takes) == (recipes.recipe_id_of(SHOP, FLAT_WHITE), fact.takes)
    assert recipes.evolve_recipe(state, put(FLAT_WHITE)).takes == ()
    assert fact_of(fact.type, fact.canonical) == fact


def test_a_recipe_in_another_unit_or_for_what_is_not_sold_is_refused() -> None:
    with pytest.raises(UnitMismatch) as mismatch:
        put(FLAT_WHITE, [{"sku": "beans", "quantity": 1, "unit": "dozen"}])
    assert mismatch.value.fields == {"sku": "beans", "unit": "g"}
    with pytest.raises(UnitMismatch):
        put(OAT, instead=[{"sku": "milk", "by": "beans"}])
    with pytest.raises(NotFound):
        put(OAT, instead=[{"sku": "milk", "by": "never-seen"}])
    with pytest.raises(NotFound):
        put(FLAT_WHITE, COFFEE, sold=False)
    with pytest.raises(Forbidden):
        put(FLAT_WHITE, COFFEE, by=By(KeyId.new(), frozenset({Role.BARISTA}), MERCHANT))


def test_a_delivery_is_taken_in_by_the_kilogram() -> None:
    command = ReceiveStock.model_validate({"lines": [{"sku": "beans", "quantity": 5, "unit": "kg"}]})
    (fact,) = receive(ReceiptId.new(), SHOP, command, merchant_id=MERCHANT, by=MANAGER, shelf=SHELF)
    assert isinstance(fact, StockReceived)
    assert (fact.lines[0].quantity, fact.lines[0].unit) == (5000, "g")
    wrong = ReceiveStock.model_validate({"lines": [{"sku": "beans", "quantity": 5, "unit": "l"}]})
    with pytest.raises(UnitMismatch):
        receive(ReceiptId.new(), SHOP, wrong, merchant_id=MERCHANT, by=MANAGER, shelf=SHELF)


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.sampled_from(Unit))
def test_conversions_are_exact_and_keep_sums(one: int, other: int, unit: Unit) -> None:
    assert in_base(one, unit) + in_base(other, unit) == in_base(one + other, unit)
    assert in_base(one, unit) % in_base(1, unit) == 0
    assert in_base(one, Unit(base_of(unit))) == one


@pytest.mark.parametrize(
    "body",
    [
        {"product_id": "shp_" + "0" * 32, "takes": COFFEE},
        {"product_id": FLAT_WHITE, "takes": [{"sku": "beans", "quantity": 18}]},
        {"product_id": FLAT_WHITE, "takes": [{"sku": "beans", "quantity": 0, "unit": "g"}]},
        {"product_id": FLAT_WHITE, "takes": [{"sku": "beans", "quantity": 1.5, "unit": "g"}]},
        {"product_id": FLAT_WHITE, "takes": [{"sku": "beans", "quantity": 1, "unit": "oz"}]},
        {"product_id": FLAT_WHITE, "takes": [{"sku": "beans", "quantity": 1001, "unit": "kg"}]},
        {"product_id": FLAT_WHITE, "takes": [COFFEE[0], COFFEE[0]]},
        {"product_id": FLAT_WHITE, "instead": [{"sku": "milk", "by": "oat-milk"}]},
        {"product_id": OAT, "instead": [{"sku": "milk", "by": "milk"}]},
        {"product_id": OAT, "instead": [{"sku": "milk", "by": "a"}, {"sku": "milk", "by": "b"}]},
    ],
    ids=shown,
)
def test_a_recipe_that_makes_no_sense_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PutRecipe.model_validate(body)


def placed(*lines: OrderLine) -> OrderPlaced:
    now = datetime(2026, 5, 6, 12, tzinfo=UTC)
    return OrderPlaced(
        order_id=OrderId.new(),
        shop_id=SHOP,
        merchant_id=MERCHANT,
        customer_id=UserId.new(),
        menu_version=1,
        lines=lines,
        total=Fiat(currency="EUR", units=420),
        placed_at=now,
        pay_by=now,
        hold_until=now + timedelta(minutes=10),
    )


def line(item: ItemId, quantity: int, *choices: ModifierId, sku: str | None = None) -> OrderLine:
    chosen = tuple(ChosenModifier(modifier_id=choice, name="x", price_delta=0) for choice in choices)
    return OrderLine(
        item_id=item, name="x", quantity=quantity, unit_price=420, modifiers=chosen, total=420 * quantity, sku=sku
    )


BOOK: Mapping[str, Takes] = {
    FLAT_WHITE: Takes({"beans": 18, "milk": 160}),
    OAT: Takes({}, {"milk": "oat-milk"}),
    SHOT: Takes({"beans": 9}),
}


@pytest.mark.parametrize(
    ("lines", "takes"),
    [
        ((line(FLAT_WHITE, 1),), {"beans": 18, "milk": 160}),
        ((line(FLAT_WHITE, 3, sku="cup"),), {"beans": 54, "milk": 480}),
        ((line(FLAT_WHITE, 2, OAT),), {"beans": 36, "oat-milk": 320}),
        ((line(FLAT_WHITE, 1, SHOT), line(FLAT_WHITE, 1, OAT)), {"beans": 45, "milk": 160, "oat-milk": 160}),
        ((line(ItemId.new(), 2, sku="cake"), line(FLAT_WHITE, 1)), {"beans": 18, "cake": 2, "milk": 160}),
        ((line(ItemId.new(), 2, SHOT, sku="cake"),), {"beans": 18, "cake": 2}),
        ((line(ItemId.new(), 2, OAT),), {}),
    ],
)
def test_an_order_takes_what_its_recipes_say(lines: tuple[OrderLine, ...], takes: dict[str, int]) -> None:
    fact = by_recipes(placed(*lines), BOOK)
    assert fact.reserves == takes
    assert list(fact.reserves) == sorted(takes)
    again = fact_of(fact.type, fact.canonical)
    assert isinstance(again, OrderPlaced)
    assert again.reserves == takes


def test_an_order_without_recipes_takes_a_portion_of_each_lines_sku_and_says_nothing_more() -> None:
    order = placed(line(ItemId.new(), 2, sku="cake"), line(ItemId.new(), 1, sku="cake"), line(ItemId.new(), 1))
    for known in ({}, BOOK):
        fact = by_recipes(order, known)
        assert fact is order
        assert fact.reserves == {"cake": 3}
        assert b"takes" not in fact.canonical


def test_an_order_that_takes_more_than_can_be_held_is_refused() -> None:
    fact = by_recipes(placed(line(FLAT_WHITE, 100)), {FLAT_WHITE: Takes({"milk": MOST // 100})})
    assert fact.takes == (Taken(sku="milk", quantity=MOST),)
    with pytest.raises(Invalid):
        by_recipes(placed(line(FLAT_WHITE, 100)), {FLAT_WHITE: Takes({"milk": MOST // 100 + 1})})
