"""POST /v1/shops/{shop_id}/resume: take orders again, in the shop's hours."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.shops import resume_shop as rule
from shared.shops.model import OwnShopView, ShopPath
from shared.wiring.edge import http_function
from shared.wiring.shops import shops


@http_function
async def resume_shop(request: Request[Nothing, ShopPath]) -> Reply[OwnShopView]:
    """POST /v1/shops/{shop_id}/resume: take orders again, in the shop's hours."""
    return await rule.resume_shop(request.params.shop_id, if_match=request.if_match, by=request.by, using=shops())
