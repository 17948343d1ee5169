"""POST /v1/shops: open a location, of which the caller becomes the owner."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.shops import register_shop as rule
from shared.shops.model import OwnShopView, RegisterShop
from shared.wiring.edge import http_function
from shared.wiring.shops import registration


@http_function
async def register_shop(request: Request[RegisterShop, Nothing]) -> Reply[OwnShopView]:
    """POST /v1/shops: open a location, of which the caller becomes the owner."""
    return await rule.register_shop(request.body, by=request.by, using=registration())
