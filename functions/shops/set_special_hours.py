"""PUT /v1/shops/{shop_id}/special-hours: replace the dates on which other hours hold."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.shops import set_special_hours as rule
from shared.shops.model import OwnShopView, SetSpecialHours, ShopPath
from shared.wiring.edge import http_function
from shared.wiring.shops import shops


@http_function
async def set_special_hours(request: Request[SetSpecialHours, ShopPath]) -> Reply[OwnShopView]:
    """PUT /v1/shops/{shop_id}/special-hours: replace the dates on which other hours hold."""
    return await rule.set_special_hours(
        request.params.shop_id, request.body, if_match=request.if_match, by=request.by, using=shops()
    )
