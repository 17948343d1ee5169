"""The rules of deliveries and holds: each hold ends once, as its order did."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from shared.kernel.decision import By, Role
from shared.kernel.errors import Bug, Forbidden, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import KeyId, MerchantId, OrderId, ReceiptId, ReservationId, ShopId
from shared.supply import lifecycle
from shared.supply.facts import StockConsumed, StockLine, StockReceived, StockReleased
from shared.supply.model import HoldState, ReceiveStock, StockHold
from shared.supply.ports import OrderStanding

ORDER = OrderId.new()
HOLD = StockHold(
    reservation_id=ReservationId.like(ORDER),
    order_id=ORDER,
    shop_id=ShopId.new(),
    merchant_id=MerchantId.new(),
    lines=(StockLine(sku="flat-white", quantity=2),),
    state=HoldState.HELD,
)
PENDING = OrderStanding(ORDER, over=False, begun=False, version=1)
CANCELLED = OrderStanding(ORDER, over=True, begun=False, version=2)
PREPARING = OrderStanding(ORDER, over=False, begun=True, version=3)


def test_a_hold_ends_as_its_order_did_and_not_before() -> None:
    assert lifecycle.release(HOLD, PENDING) == ()
    assert lifecycle.release(HOLD, PREPARING) == ()
    assert lifecycle.consume(HOLD, PENDING) == ()
    assert lifecycle.consume(HOLD, CANCELLED) == ()
    (released,) = lifecycle.release(HOLD, CANCELLED)
    (consumed,) = lifecycle.consume(HOLD, PREPARING)
    assert isinstance(released, StockReleased)
    assert isinstance(consumed, StockConsumed)
    for fact, state in ((released, HoldState.RELEASED), (consumed, HoldState.CONSUMED)):
        for before in (HOLD, None):
            assert lifecycle.evolve_hold(before, fact) == HOLD.model_copy(update={"state": state})


@pytest.mark.parametrize("state", [HoldState.RELEASED, HoldState.CONSUMED])
def test_what_is_over_is_neither_released_nor_used_again(state: HoldState) -> None:
    hold = HOLD.model_copy(update={"state": state})
    assert lifecycle.release(hold, CANCELLED) == ()
    assert lifecycle.consume(hold, PREPARING) == ()
    (fact,) = lifecycle.release(HOLD, CANCELLED)
    with pytest.raises(Bug):
        lifecycle.evolve_hold(hold, fact)


def test_an_order_of_uncounted_things_has_nothing_to_free() -> None:
    assert lifecycle.release(HOLD.model_copy(update={"lines": ()}), CANCELLED) == ()
    assert lifecycle.release(None, CANCELLED) == ()


def test_goods_are_taken_in_by_owner_or_manager_of_the_shop() -> None:
    command = ReceiveStock.model_validate({"lines": [{"sku": "flat-white", "quantity": 20}]})
    merchant, shop_id, receipt_id = MerchantId.new(), ShopId.new(), ReceiptId.new()

    def receive(role: Role, of: MerchantId) -> Sequence[Fact]:
        by = By(KeyId.new(), frozenset({role}), of)
        return lifecycle.receive(receipt_id, shop_id, command, merchant_id=merchant, by=by)

    (fact,) = receive(Role.MANAGER, merchant)
    assert isinstance(fact, StockReceived)
    assert lifecycle.evolve_receipt(None, fact).lines == (StockLine(sku="flat-white", quantity=20),)
    with pytest.raises(Forbidden):
        receive(Role.BARISTA, merchant)
    with pytest.raises(NotFound):
        receive(Role.OWNER, MerchantId.new())


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [{"sku": "flat-white", "quantity": 0}],
        [{"sku": "flat-white", "quantity": -1}],
        [{"sku": "flat-white", "quantity": 1.5}],
        [{"sku": "flat-white", "quantity": True}],
        [{"sku": "flat-white", "quantity": 10**6 + 1}],
        [{"sku": "Flat white", "quantity": 1}],
        [{"sku": "flat-white", "quantity": 1}] * 2,
        [{"sku": f"sku-{n}", "quantity": 1} for n in range(201)],
    ],
    ids=lambda lines: str(lines)[:40],
)
def test_a_delivery_that_makes_no_sense_is_refused(lines: list[dict[str, object]]) -> None:
    with pytest.raises(ValidationError):
        ReceiveStock.model_validate({"lines": lines})
