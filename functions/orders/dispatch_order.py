"""POST /v1/orders/{order_id}/dispatch: somebody is on their way with an order."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.orders import dispatch_order as rule
from shared.orders.model import OrderPath, OrderView
from shared.wiring.edge import http_function
from shared.wiring.orders import orders


@http_function
async def dispatch_order(request: Request[Nothing, OrderPath]) -> Reply[OrderView]:
    """POST /v1/orders/{order_id}/dispatch: somebody is on their way with an order."""
    return await rule.dispatch_order(request.params.order_id, if_match=request.if_match, by=request.by, using=orders())
