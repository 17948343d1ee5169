"""PUT /v1/shops/{shop_id}/delivery: where and for how much the shop delivers."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.shops import set_delivery as rule
from shared.shops.model import OwnShopView, SetDelivery, ShopPath
from shared.wiring.edge import http_function
from shared.wiring.shops import shops


@http_function
async def set_delivery(request: Request[SetDelivery, ShopPath]) -> Reply[OwnShopView]:
    """PUT /v1/shops/{shop_id}/delivery: where and for how much the shop delivers."""
    return await rule.set_delivery(
        request.params.shop_id, request.body, if_match=request.if_match, by=request.by, using=shops()
    )
