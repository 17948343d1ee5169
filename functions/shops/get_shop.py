"""GET /v1/shops/{shop_id}: a shop, its hours, and whether it is open now."""

from shared.edge.http import Encoded, Nothing, Request
from shared.kernel.reply import Reply
from shared.shops import get_shop as rule
from shared.shops.model import ShopPath, ShopView
from shared.wiring.edge import http_function
from shared.wiring.shops import shops


@http_function
async def get_shop(request: Request[Nothing, ShopPath]) -> Reply[Encoded[ShopView]]:
    """GET /v1/shops/{shop_id}: a shop, its hours, and whether it is open now."""
    return await rule.get_shop(request.params.shop_id, using=shops())
