"""DELETE /v1/orders/{order_id}/destination: fetch an order yourself after all."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.orders import remove_destination as rule
from shared.orders.model import OrderPath, OrderView
from shared.wiring.edge import http_function
from shared.wiring.orders import orders


@http_function
async def remove_destination(request: Request[Nothing, OrderPath]) -> Reply[OrderView]:
    """DELETE /v1/orders/{order_id}/destination: fetch an order yourself after all."""
    return await rule.remove_destination(
        request.params.order_id, if_match=request.if_match, by=request.by, using=orders()
    )
