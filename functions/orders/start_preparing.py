"""POST /v1/orders/{order_id}/prepare: a barista begins to make a confirmed order."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.orders import start_preparing as rule
from shared.orders.model import OrderPath, OrderView
from shared.wiring.edge import http_function
from shared.wiring.orders import orders


@http_function
async def start_preparing(request: Request[Nothing, OrderPath]) -> Reply[OrderView]:
    """POST /v1/orders/{order_id}/prepare: a barista begins to make a confirmed order."""
    return await rule.start_preparing(request.params.order_id, if_match=request.if_match, by=request.by, using=orders())
