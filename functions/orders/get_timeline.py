"""GET /v1/orders/{order_id}/timeline: what happened to an order, its payments and its claim."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.orders import get_timeline as rule
from shared.orders.get_timeline import Timeline
from shared.orders.model import OrderPath
from shared.wiring.edge import http_function
from shared.wiring.orders import histories, orders


@http_function
async def get_timeline(request: Request[Nothing, OrderPath]) -> Reply[Timeline]:
    """GET /v1/orders/{order_id}/timeline: what happened to an order, its payments and its claim."""
    return await rule.get_timeline(request.params.order_id, by=request.by, using=orders(), histories=histories())
