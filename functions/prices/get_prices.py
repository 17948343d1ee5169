"""GET /v1/prices: what one whole coin of each asset costs."""

from shared.edge.http import Encoded, Nothing, Request
from shared.kernel.reply import Reply
from shared.prices import get_prices as rule
from shared.prices.model import PricesView, WhichPrices
from shared.wiring.edge import http_function
from shared.wiring.prices import shown_prices


@http_function
async def get_prices(request: Request[Nothing, WhichPrices]) -> Reply[Encoded[PricesView]]:
    """GET /v1/prices: what one whole coin of each asset costs."""
    return await rule.get_prices(request.params.currency, using=shown_prices())
