"""POST /v1/orders/{order_id}/cancel: call an order off before its preparation begins."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.orders import cancel_order as rule
from shared.orders.model import CancelOrder, OrderPath, OrderView
from shared.wiring.edge import http_function
from shared.wiring.orders import orders


@http_function
async def cancel_order(request: Request[CancelOrder, OrderPath]) -> Reply[OrderView]:
    """POST /v1/orders/{order_id}/cancel: call an order off before its preparation begins."""
    return await rule.cancel_order(
        request.params.order_id, request.body, if_match=request.if_match, by=request.by, using=orders()
    )
