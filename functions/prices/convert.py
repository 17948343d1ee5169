"""GET /v1/prices/convert: fiat to coins as a quote would have it, or coins to fiat."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.prices import convert as rule
from shared.prices.model import Convert, ConvertView
from shared.wiring.edge import http_function
from shared.wiring.prices import prices


@http_function
async def convert(request: Request[Nothing, Convert]) -> Reply[ConvertView]:
    """GET /v1/prices/convert: fiat to coins as a quote would have it, or coins to fiat."""
    return await rule.convert(request.params, using=prices())
