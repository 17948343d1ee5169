"""start_preparing: a barista begins; the stock is used by the fact."""

from shared.kernel.decision import By
from shared.kernel.ids import OrderId
from shared.kernel.reply import Reply
from shared.orders import lifecycle
from shared.orders.create_order import shown
from shared.orders.model import OrderView
from shared.orders.ports import Orders


async def start_preparing(order_id: OrderId, *, if_match: int | None, by: By, using: Orders) -> Reply[OrderView]:
    """Return the order, now being prepared. Raises NotFound, Forbidden, WrongState, Halted, VersionConflict."""
    now = using.clock.now()
    stored = await using.store.decide(
        order_id,
        lambda order: lifecycle.prepare(order, by=by, now=now),
        by=by,
        now=now,
        reply=shown,
        if_match=if_match,
    )
    return shown(stored)
