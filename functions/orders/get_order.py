"""GET /v1/orders/{order_id}: one order, for its customer and its shop."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.orders import get_order as rule
from shared.orders.model import OrderPath, OrderView
from shared.wiring.edge import http_function
from shared.wiring.orders import orders


@http_function
async def get_order(request: Request[Nothing, OrderPath]) -> Reply[OrderView]:
    """GET /v1/orders/{order_id}: one order, for its customer and its shop."""
    return await rule.get_order(request.params.order_id, by=request.by, using=orders())
