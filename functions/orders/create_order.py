"""POST /v1/orders: place an order, its stock reserved, its price fixed."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.orders import create_order as rule
from shared.orders.model import OrderView, PlaceOrder
from shared.wiring.edge import http_function
from shared.wiring.orders import orders


@http_function
async def create_order(request: Request[PlaceOrder, Nothing]) -> Reply[OrderView]:
    """POST /v1/orders: place an order, its stock reserved, its price fixed."""
    return await rule.create_order(request.body, by=request.by, using=orders())
