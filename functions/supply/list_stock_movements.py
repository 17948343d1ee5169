"""GET /v1/shops/{shop_id}/stock/movements: the stock ledger, newest first, for the shop's staff."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.supply import list_stock_movements as rule
from shared.supply.model import ListMovements, MovementPage
from shared.wiring.edge import http_function
from shared.wiring.supply import supply


@http_function
async def list_stock_movements(request: Request[Nothing, ListMovements]) -> Reply[MovementPage]:
    """GET /v1/shops/{shop_id}/stock/movements: the stock ledger, newest first, for the shop's staff."""
    return await rule.list_stock_movements(request.params, by=request.by, using=supply())
