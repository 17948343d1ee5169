"""GET /v1/shops/{shop_id}/slots: when the shop has room for an order."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.orders import list_slots as rule
from shared.orders.list_slots import ListSlots, Slots
from shared.wiring.edge import http_function
from shared.wiring.orders import order_slots, orders


@http_function
async def list_slots(request: Request[Nothing, ListSlots]) -> Reply[Slots]:
    """GET /v1/shops/{shop_id}/slots: when the shop has room for an order."""
    return await rule.list_slots(request.params, using=orders(), counters=order_slots())
