"""GET /v1/shops: shops around a point, nearest first."""

from shared.edge.http import Encoded, Nothing, Request
from shared.kernel.reply import Reply
from shared.shops import find_nearby_shops as rule
from shared.shops.model import FindShops, NearbyShops
from shared.wiring.edge import http_function
from shared.wiring.shops import shops


@http_function
async def find_nearby_shops(request: Request[Nothing, FindShops]) -> Reply[Encoded[NearbyShops]]:
    """GET /v1/shops: shops around a point, nearest first."""
    return await rule.find_nearby_shops(request.params, using=shops())
