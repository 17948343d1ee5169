"""GET /v1/shops/{shop_id}/estimate: how long an order takes that is placed now."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.orders import get_estimate as rule
from shared.orders.get_estimate import Estimate
from shared.orders.model import ShopPath
from shared.wiring.edge import http_function
from shared.wiring.orders import kitchens, orders


@http_function
async def get_estimate(request: Request[Nothing, ShopPath]) -> Reply[Estimate]:
    """GET /v1/shops/{shop_id}/estimate: how long an order takes that is placed now."""
    return await rule.get_estimate(request.params, using=orders(), kitchens=kitchens())
