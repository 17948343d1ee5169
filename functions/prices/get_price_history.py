"""GET /v1/prices/{asset}/{currency}/history: what a coin has cost, by minute, hour or day."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.prices import get_price_history as rule
from shared.prices.model import GetPriceHistory, PriceHistoryView
from shared.wiring.edge import http_function
from shared.wiring.prices import price_history


@http_function
async def get_price_history(request: Request[Nothing, GetPriceHistory]) -> Reply[PriceHistoryView]:
    """GET /v1/prices/{asset}/{currency}/history: what a coin has cost, by minute, hour or day."""
    return await rule.get_price_history(request.params, using=price_history())
