"""cancel_order: call an order off; its stock is released by the fact."""

from shared.kernel.decision import By
from shared.kernel.ids import OrderId
from shared.kernel.reply import Reply
from shared.orders import lifecycle
from shared.orders.create_order import shown
from shared.orders.model import CancelOrder, OrderView
from shared.orders.ports import Orders


async def cancel_order(
    order_id: OrderId, command: CancelOrder, *, if_match: int | None, by: By, using: Orders
) -> Reply[OrderView]:
    """Return the cancelled order. Raises NotFound, WrongState, VersionConflict, AlreadyAnswered."""
    now = using.clock.now()
    stored = await using.store.decide(
        order_id,
        lambda order: lifecycle.cancel(order, reason=command.reason, by=by, now=now),
        by=by,
        now=now,
        reply=shown,
        if_match=if_match,
    )
    return shown(stored)
