"""get_kitchen_queue: what a shop has to make and to hand out, oldest first."""

from shared.kernel.decision import By
from shared.kernel.errors import Forbidden
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.orders.model import KitchenQueue, OrderView
from shared.orders.ports import Orders


async def get_kitchen_queue(shop_id: ShopId, *, by: By, using: Orders) -> Reply[KitchenQueue]:
    """Return confirmed, preparing and ready orders, at most 200. Another merchant's shop has none to show."""
    if by.merchant_id is None:
        raise Forbidden("Only the shop's staff sees its queue.")
    queue = await using.store.in_kitchen(shop_id, by.merchant_id)
    return Reply(KitchenQueue(orders=tuple(OrderView.of(found.state, found.version) for found in queue)))
