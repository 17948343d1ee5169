"""PUT /v1/orders/{order_id}/destination: have an order brought to you, until a payment is asked for."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.orders import set_destination as rule
from shared.orders.model import Destination, OrderPath, OrderView
from shared.wiring.destinations import destinations
from shared.wiring.edge import http_function
from shared.wiring.orders import orders


@http_function
async def set_destination(request: Request[Destination, OrderPath]) -> Reply[OrderView]:
    """PUT /v1/orders/{order_id}/destination: have an order brought to you, until a payment is asked for."""
    return await rule.set_destination(
        request.params.order_id,
        request.body,
        if_match=request.if_match,
        by=request.by,
        using=orders(),
        destinations=destinations(),
    )
