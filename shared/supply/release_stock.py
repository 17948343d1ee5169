"""release_stock: an order came to nothing, so what it held is free again; once, whichever fact says so."""

from shared.kernel.decision import By, Decided, Guard
from shared.kernel.ids import OrderId, ReservationId
from shared.supply import lifecycle
from shared.supply.model import StockHold
from shared.supply.ports import Supply


async def release_stock(order_id: OrderId, *, by: By, using: Supply) -> None:
    """Release the order's hold if the order is over now, guarded by the order's version. Raises NotFound, Transient."""

    async def rule(hold: StockHold | None) -> Decided:
        order = await using.orders.standing(order_id)
        return Decided(lifecycle.release(hold, order), guard=Guard("orders", order_id, order.version))

    hold_id = ReservationId.like(order_id)
    if await using.holds.load(hold_id) is None:
        await using.inbox.take(by)
        return
    await using.holds.decide(hold_id, rule, by=by, now=using.clock.now())
