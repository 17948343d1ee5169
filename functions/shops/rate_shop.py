"""PUT /v1/orders/{order_id}/rating: say what you think of an order that was handed over to you."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.shops import rate_shop as rule
from shared.shops.rating import OrderPath, RateShop, RatingView
from shared.wiring.edge import http_function
from shared.wiring.shops import ratings


@http_function
async def rate_shop(request: Request[RateShop, OrderPath]) -> Reply[RatingView]:
    """PUT /v1/orders/{order_id}/rating: say what you think of an order that was handed over to you."""
    return await rule.rate_shop(request.params.order_id, request.body, by=request.by, using=ratings())
