"""GET /v1/orders: the caller's orders, or a shop's for its staff; newest first."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.orders import list_orders as rule
from shared.orders.model import ListOrders, OrderPage
from shared.wiring.edge import http_function
from shared.wiring.orders import orders


@http_function
async def list_orders(request: Request[Nothing, ListOrders]) -> Reply[OrderPage]:
    """GET /v1/orders: the caller's orders, or a shop's for its staff; newest first."""
    return await rule.list_orders(request.params, by=request.by, using=orders())
