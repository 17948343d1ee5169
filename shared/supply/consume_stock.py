"""consume_stock: the preparation of an order began, so what it held is used."""

from shared.kernel.decision import By, Decided
from shared.kernel.ids import OrderId, ReservationId
from shared.supply import lifecycle
from shared.supply.model import StockHold
from shared.supply.ports import Supply


async def consume_stock(order_id: OrderId, *, by: By, using: Supply) -> None:
    """Use up the order's hold if its preparation has begun. Raises NotFound, Transient.

    No guard: what was once begun stays begun, however the order moves on.
    """

    async def rule(hold: StockHold | None) -> Decided:
        return Decided(lifecycle.consume(hold, await using.orders.standing(order_id)))

    hold_id = ReservationId.like(order_id)
    if await using.holds.load(hold_id) is None:
        await using.inbox.take(by)
        return
    await using.holds.decide(hold_id, rule, by=by, now=using.clock.now())
