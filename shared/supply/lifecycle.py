"""The rules of deliveries and holds. Pure: a rule takes the state and what is known, returns facts or refuses."""

from collections.abc import Mapping, Sequence

from shared.kernel.decision import By, Role
from shared.kernel.errors import Bug, Conflict, Forbidden, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, ReceiptId, ReservationId, ShopId
from shared.supply import facts
from shared.supply.facts import BaseUnit, StockLine
from shared.supply.model import HoldState, ReceiveStock, StockHold, StockLevel, StockReceipt
from shared.supply.ports import OrderStanding
from shared.supply.units import base_of, in_base


class UnitMismatch(Conflict):
    """A SKU is counted in another unit."""

    type = "unit-mismatch"
    title = "The SKU is counted in another unit"


def staffed(merchant_id: MerchantId, by: By) -> None:
    """Raise NotFound unless the caller works for the merchant."""
    if not by.staff_of(merchant_id):
        raise NotFound("There is no such shop among yours.")


def managed(merchant_id: MerchantId, by: By) -> None:
    """Raise NotFound unless the caller works for the merchant, Forbidden unless as owner or manager."""
    staffed(merchant_id, by)
    if not by.roles & {Role.OWNER, Role.MANAGER}:
        raise Forbidden("Only its owner or a manager changes a shop's stock.")


def fits(sku: str, unit: BaseUnit | None, level: StockLevel | None) -> None:
    """Raise UnitMismatch where a SKU is counted in another unit."""
    if unit is not None and level is not None and level.unit is not unit:
        raise UnitMismatch(f"{sku} is counted in {level.unit}, not in {unit}.", sku=sku, unit=level.unit)


def receive(
    receipt_id: ReceiptId,
    shop_id: ShopId,
    command: ReceiveStock,
    *,
    merchant_id: MerchantId,
    by: By,
    shelf: Mapping[str, StockLevel] | None = None,
) -> Sequence[Fact]:
    """Return the facts of a delivery; `shelf` has what is known of its SKUs.

    Raises NotFound, Forbidden, UnitMismatch.
    """
    managed(merchant_id, by)
    for line in command.lines:
        fits(line.sku, base_of(line.unit), (shelf or {}).get(line.sku))
    lines = tuple(
        StockLine(sku=line.sku, quantity=in_base(line.quantity, line.unit), unit=base_of(line.unit))
        for line in command.lines
    )
    return (
        facts.StockReceived(
            receipt_id=receipt_id, shop_id=shop_id, merchant_id=merchant_id, lines=lines, note=command.note
        ),
    )


def release(hold: StockHold | None, order: OrderStanding) -> Sequence[Fact]:
    """Return the facts of setting free what an order held that came to nothing; none when it holds nothing."""
    if not _holds(hold) or not order.over:
        return ()
    return (facts.StockReleased(**_of(hold)),)


def consume(hold: StockHold | None, order: OrderStanding) -> Sequence[Fact]:
    """Return the facts of using what an order held when its preparation began; none when it holds nothing."""
    if not _holds(hold) or not order.begun:
        return ()
    return (facts.StockConsumed(**_of(hold)),)


def _holds(hold: StockHold | None) -> bool:
    """Return whether there is anything to free or to use: an order of uncounted things holds no lines."""
    return hold is not None and hold.state is HoldState.HELD and bool(hold.lines)


def _of(hold: StockHold | None) -> dict[str, object]:
    if hold is None:
        raise Bug("nothing is held")
    return {
        "order_id": hold.order_id,
        "shop_id": hold.shop_id,
        "merchant_id": hold.merchant_id,
        "lines": hold.lines,
    }


def evolve_receipt(receipt: StockReceipt | None, fact: Fact) -> StockReceipt:
    """Return the state after `fact`: a delivery has exactly one."""
    if receipt is not None or not isinstance(fact, facts.StockReceived):
        raise Bug(f"{fact.type} can't happen to a delivery")
    return StockReceipt(
        receipt_id=fact.receipt_id,
        shop_id=fact.shop_id,
        merchant_id=fact.merchant_id,
        lines=fact.lines,
        note=fact.note,
    )


def evolve_hold(hold: StockHold | None, fact: Fact) -> StockHold:
    """Return the state after `fact`. The hold itself began with its order, so the fact says all of it."""
    if hold is not None and hold.state is not HoldState.HELD:
        raise Bug(f"{fact.type} can't happen to what is {hold.state}")
    if isinstance(fact, facts.StockReleased):
        state = HoldState.RELEASED
    elif isinstance(fact, facts.StockConsumed):
        state = HoldState.CONSUMED
    else:
        raise Bug(f"a hold does not know {fact.type}")
    return StockHold(
        reservation_id=ReservationId.like(fact.order_id),
        order_id=fact.order_id,
        shop_id=fact.shop_id,
        merchant_id=fact.merchant_id,
        lines=fact.lines,
        state=state,
    )
