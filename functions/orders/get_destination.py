"""GET /v1/orders/{order_id}/destination: where an order is to be brought to."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.orders import get_destination as rule
from shared.orders.model import DestinationView, OrderPath
from shared.wiring.destinations import destinations
from shared.wiring.edge import http_function
from shared.wiring.orders import orders


@http_function
async def get_destination(request: Request[Nothing, OrderPath]) -> Reply[DestinationView]:
    """GET /v1/orders/{order_id}/destination: where an order is to be brought to."""
    return await rule.get_destination(
        request.params.order_id, by=request.by, using=orders(), destinations=destinations()
    )
