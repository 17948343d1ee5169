"""remove_destination: its customer fetches an order after all; what delivery would have cost is not due."""

from shared.kernel.decision import By
from shared.kernel.ids import OrderId
from shared.kernel.reply import Reply
from shared.orders import delivery
from shared.orders.create_order import shown
from shared.orders.model import OrderView
from shared.orders.ports import Orders


async def remove_destination(order_id: OrderId, *, if_match: int | None, by: By, using: Orders) -> Reply[OrderView]:
    """Return the order. Raises NotFound, WrongState, PaymentAsked, VersionConflict, AlreadyAnswered, Transient."""
    now = using.clock.now()
    stored = await using.store.modify(
        order_id,
        lambda order: delivery.remove_destination(order, by=by, now=now),
        by=by,
        now=now,
        reply=shown,
        if_match=if_match,
    )
    return shown(stored)
