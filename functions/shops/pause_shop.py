"""POST /v1/shops/{shop_id}/pause: take no orders for a while."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.shops import pause_shop as rule
from shared.shops.model import OwnShopView, PauseShop, ShopPath
from shared.wiring.edge import http_function
from shared.wiring.shops import shops


@http_function
async def pause_shop(request: Request[PauseShop, ShopPath]) -> Reply[OwnShopView]:
    """POST /v1/shops/{shop_id}/pause: take no orders for a while."""
    return await rule.pause_shop(
        request.params.shop_id, request.body, if_match=request.if_match, by=request.by, using=shops()
    )
