"""PATCH /v1/shops/{shop_id}: change a shop's name, address, place or coins."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.shops import update_shop as rule
from shared.shops.model import OwnShopView, ShopPath, UpdateShop
from shared.wiring.edge import http_function
from shared.wiring.shops import shops


@http_function
async def update_shop(request: Request[UpdateShop, ShopPath]) -> Reply[OwnShopView]:
    """PATCH /v1/shops/{shop_id}: change a shop's name, address, place or coins."""
    return await rule.update_shop(
        request.params.shop_id, request.body, if_match=request.if_match, by=request.by, using=shops()
    )
