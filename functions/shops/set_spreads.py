"""PUT /v1/shops/{shop_id}/spreads: how far below the market the shop quotes each coin."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.shops import set_spreads as rule
from shared.shops.model import OwnShopView, SetSpreads, ShopPath
from shared.wiring.edge import http_function
from shared.wiring.shops import shops


@http_function
async def set_spreads(request: Request[SetSpreads, ShopPath]) -> Reply[OwnShopView]:
    """PUT /v1/shops/{shop_id}/spreads: how far below the market the shop quotes each coin."""
    return await rule.set_spreads(
        request.params.shop_id, request.body, if_match=request.if_match, by=request.by, using=shops()
    )
