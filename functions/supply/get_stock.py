"""GET /v1/shops/{shop_id}/stock: what is on the shelves, for the shop's staff."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.supply import get_stock as rule
from shared.supply.model import GetStock, StockPage
from shared.wiring.edge import http_function
from shared.wiring.supply import supply


@http_function
async def get_stock(request: Request[Nothing, GetStock]) -> Reply[StockPage]:
    """GET /v1/shops/{shop_id}/stock: what is on the shelves, for the shop's staff."""
    return await rule.get_stock(request.params, by=request.by, using=supply())
