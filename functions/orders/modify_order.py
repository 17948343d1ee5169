"""PUT /v1/orders/{order_id}: change what is ordered, while nothing was asked for it."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.orders import modify_order as rule
from shared.orders.model import ModifyOrder, OrderPath, OrderView
from shared.wiring.edge import http_function
from shared.wiring.orders import orders


@http_function
async def modify_order(request: Request[ModifyOrder, OrderPath]) -> Reply[OrderView]:
    """PUT /v1/orders/{order_id}: change what is ordered, while nothing was asked for it."""
    return await rule.modify_order(
        request.params.order_id, request.body, if_match=request.if_match, by=request.by, using=orders()
    )
