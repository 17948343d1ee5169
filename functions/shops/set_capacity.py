"""PUT /v1/shops/{shop_id}/capacity: how much the shop makes in each quarter of an hour."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.shops import set_capacity as rule
from shared.shops.model import OwnShopView, SetCapacity, ShopPath
from shared.wiring.edge import http_function
from shared.wiring.shops import shops


@http_function
async def set_capacity(request: Request[SetCapacity, ShopPath]) -> Reply[OwnShopView]:
    """PUT /v1/shops/{shop_id}/capacity: how much the shop makes in each quarter of an hour."""
    return await rule.set_capacity(
        request.params.shop_id, request.body, if_match=request.if_match, by=request.by, using=shops()
    )
