"""GET /v1/orders/{order_id}/events: an order's changes as server-sent events, as they happen."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.orders import follow_order as rule
from shared.orders.model import OrderPath
from shared.wiring.edge import http_function
from shared.wiring.following import following


@http_function
async def follow_order(request: Request[Nothing, OrderPath]) -> Reply[bytes]:
    """GET /v1/orders/{order_id}/events: an order's changes as server-sent events, as they happen.

    With `accept: text/event-stream` the connection stays open; without, the present state is told and that is all.
    """
    headers = request.headers
    return await rule.follow_order(
        request.params.order_id,
        last_id=headers.get("last-event-id"),
        stays=rule.CONTENT_TYPE in headers.get("accept", ""),
        by=request.by,
        using=following(),
    )
