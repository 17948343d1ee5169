"""GET /v1/shops/{shop_id}/queue: what is to be made and handed out, oldest first."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.orders import get_kitchen_queue as rule
from shared.orders.model import KitchenQueue, ShopPath
from shared.wiring.edge import http_function
from shared.wiring.orders import orders


@http_function
async def get_kitchen_queue(request: Request[Nothing, ShopPath]) -> Reply[KitchenQueue]:
    """GET /v1/shops/{shop_id}/queue: what is to be made and handed out, oldest first."""
    return await rule.get_kitchen_queue(request.params.shop_id, by=request.by, using=orders())
