"""POST /v1/orders/{order_id}/ready: the order stands on the counter."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.orders import mark_ready as rule
from shared.orders.model import OrderPath, OrderView
from shared.wiring.edge import http_function
from shared.wiring.orders import orders


@http_function
async def mark_ready(request: Request[Nothing, OrderPath]) -> Reply[OrderView]:
    """POST /v1/orders/{order_id}/ready: the order stands on the counter."""
    return await rule.mark_ready(request.params.order_id, if_match=request.if_match, by=request.by, using=orders())
