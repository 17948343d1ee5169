"""get_order: one order, for its customer and its shop."""

from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.ids import OrderId
from shared.kernel.reply import Reply
from shared.orders import lifecycle
from shared.orders.create_order import shown
from shared.orders.model import OrderView
from shared.orders.ports import Orders


async def get_order(order_id: OrderId, *, by: By, using: Orders) -> Reply[OrderView]:
    """Return the order with its version as ETag. Raises NotFound, also for somebody else's order."""
    found = await using.store.load(order_id)
    if found is None:
        raise NotFound("There is no such order.")
    lifecycle.visible(found.state, by)
    return shown(found)
