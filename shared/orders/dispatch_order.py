"""dispatch_order: somebody of the shop is on their way with an order; it is handed over against its code as ever."""

from shared.kernel.decision import By
from shared.kernel.ids import OrderId
from shared.kernel.reply import Reply
from shared.orders import delivery
from shared.orders.create_order import shown
from shared.orders.model import OrderView
from shared.orders.ports import Orders


async def dispatch_order(order_id: OrderId, *, if_match: int | None, by: By, using: Orders) -> Reply[OrderView]:
    """Return the order. Raises NotFound, Forbidden, WrongState, Halted, VersionConflict, AlreadyAnswered."""
    now = using.clock.now()
    stored = await using.store.decide(
        order_id,
        lambda order: delivery.dispatch(order, by=by, now=now),
        by=by,
        now=now,
        reply=shown,
        if_match=if_match,
    )
    return shown(stored)
