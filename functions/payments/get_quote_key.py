"""GET /v1/quotes/key: the public key that verifies quotes."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.payments import get_quote_key as rule
from shared.payments.model import QuoteKeyView
from shared.wiring.edge import http_function
from shared.wiring.payments import signer


@http_function
async def get_quote_key(request: Request[Nothing, Nothing]) -> Reply[QuoteKeyView]:
    """GET /v1/quotes/key: the public key that verifies quotes."""
    return await rule.get_quote_key(using=signer())
