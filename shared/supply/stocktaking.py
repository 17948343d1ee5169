"""The rules of what moves goods besides deliveries and orders. Pure: from what is on the shelf to facts or refusals."""

from collections.abc import Mapping, Sequence

from shared.kernel.decision import By
from shared.kernel.errors import Bug, Conflict, Forbidden, Invalid, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import AdjustmentId, MerchantId, ShopId, TransferId
from shared.supply import facts
from shared.supply.facts import AdjustedLine, StockLine
from shared.supply.lifecycle import fits, managed
from shared.supply.model import AdjustLine, AdjustStock, StockAdjustment, StockLevel, StockTransfer, TransferStock
from shared.supply.units import base_of, in_base


class StockMoved(Conflict):
    """Goods came or went since they were counted."""

    type = "stock-moved"
    title = "The stock moved since it was counted"


class NotEnoughStock(Conflict):
    """More would be taken away than is free."""

    type = "not-enough-stock"
    title = "Less is free than would be taken away"


def adjust(
    adjustment_id: AdjustmentId,
    shop_id: ShopId,
    command: AdjustStock,
    *,
    shelf: Mapping[str, StockLevel],
    merchant_id: MerchantId,
    by: By,
) -> Sequence[Fact]:
    """Return the fact of an adjustment of what is on the shelf. Raises NotFound, Forbidden, StockMoved, NotEnoughStock.

    What orders hold stays theirs: to note that it is gone, cancel them first.
    """
    managed(merchant_id, by)
    for line in command.lines:
        fits(line.sku, base_of(line.unit), shelf.get(line.sku))
    lines = tuple(_adjusted(line, shelf.get(line.sku) or nothing_of(line.sku)) for line in command.lines)
    return (
        facts.StockAdjusted(
            adjustment_id=adjustment_id,
            shop_id=shop_id,
            merchant_id=merchant_id,
            reason=command.reason,
            lines=lines,
            note=command.note,
        ),
    )


def nothing_of(sku: str) -> StockLevel:
    """Return the level of a SKU that was never in stock."""
    return StockLevel(sku=sku, on_hand=0, reserved=0, free=0, version=0)


def enough(level: StockLevel, taken: int) -> None:
    """Raise NotEnoughStock where less than `taken` is free of a SKU."""
    if taken > level.free:
        raise NotEnoughStock(
            f"{level.free} of {level.sku} are free: {level.on_hand} on hand, {level.reserved} held by orders.",
            sku=level.sku,
            on_hand=level.on_hand,
            reserved=level.reserved,
        )


def _adjusted(line: AdjustLine, level: StockLevel) -> AdjustedLine:
    if line.counted is not None and line.version != level.version:
        raise StockMoved(
            f"{level.sku} is at version {level.version}, {level.on_hand} on hand. Count again, or name that version.",
            sku=level.sku,
            version=level.version,
            on_hand=level.on_hand,
        )
    counted = None if line.counted is None else in_base(line.counted, line.unit)
    delta = in_base(line.delta or 0, line.unit) if counted is None else counted - level.on_hand
    enough(level, -delta)
    return AdjustedLine(sku=line.sku, delta=delta, counted=counted, version=line.version, unit=base_of(line.unit))


def evolve_adjustment(adjustment: StockAdjustment | None, fact: Fact) -> StockAdjustment:
    """Return the state after `fact`: an adjustment has exactly one."""
    if adjustment is not None or not isinstance(fact, facts.StockAdjusted):
        raise Bug(f"{fact.type} can't happen to an adjustment")
    return StockAdjustment(
        adjustment_id=fact.adjustment_id,
        shop_id=fact.shop_id,
        merchant_id=fact.merchant_id,
        reason=fact.reason,
        lines=fact.lines,
        note=fact.note,
    )


def transfer(
    transfer_id: TransferId,
    shop_id: ShopId,
    command: TransferStock,
    *,
    shelves: tuple[Mapping[str, StockLevel], Mapping[str, StockLevel]],
    merchant_id: MerchantId,
    to_merchant_id: MerchantId,
    by: By,
) -> Sequence[Fact]:
    """Return the fact of goods that go from one shelf to the other of `shelves`; what orders hold stays.

    Raises NotFound, Forbidden, Invalid, NotEnoughStock, UnitMismatch.
    """
    managed(merchant_id, by)
    if to_merchant_id != merchant_id:
        raise NotFound("There is no such shop among yours.")
    if not by.staff_of(merchant_id, command.to_shop_id):
        raise Forbidden("Your key is for one shop; goods go to another with a key for both.")
    if command.to_shop_id == shop_id:
        raise Invalid("Goods go from one shop to another.")
    here, there = shelves
    lines = []
    for line in command.lines:
        level, quantity = here.get(line.sku) or nothing_of(line.sku), in_base(line.quantity, line.unit)
        fits(line.sku, base_of(line.unit), here.get(line.sku))
        enough(level, quantity)
        fits(line.sku, level.unit, there.get(line.sku))
        lines.append(StockLine(sku=line.sku, quantity=quantity, unit=level.unit))
    return (
        facts.StockTransferred(
            transfer_id=transfer_id,
            merchant_id=merchant_id,
            from_shop_id=shop_id,
            to_shop_id=command.to_shop_id,
            lines=tuple(lines),
            note=command.note,
        ),
    )


def evolve_transfer(before: StockTransfer | None, fact: Fact) -> StockTransfer:
    """Return the state after `fact`: a transfer has exactly one."""
    if before is not None or not isinstance(fact, facts.StockTransferred):
        raise Bug(f"{fact.type} can't happen to a transfer")
    return StockTransfer(
        transfer_id=fact.transfer_id,
        merchant_id=fact.merchant_id,
        from_shop_id=fact.from_shop_id,
        to_shop_id=fact.to_shop_id,
        lines=fact.lines,
        note=fact.note,
    )
