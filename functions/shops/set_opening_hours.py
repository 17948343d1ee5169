"""PUT /v1/shops/{shop_id}/hours: replace the weekly opening hours."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.shops import set_opening_hours as rule
from shared.shops.model import OwnShopView, SetOpeningHours, ShopPath
from shared.wiring.edge import http_function
from shared.wiring.shops import shops


@http_function
async def set_opening_hours(request: Request[SetOpeningHours, ShopPath]) -> Reply[OwnShopView]:
    """PUT /v1/shops/{shop_id}/hours: replace the weekly opening hours."""
    return await rule.set_opening_hours(
        request.params.shop_id, request.body, if_match=request.if_match, by=request.by, using=shops()
    )
