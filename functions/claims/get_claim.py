"""GET /v1/orders/{order_id}/claim: the code a customer picks up with."""

from shared.claims import get_claim as rule
from shared.claims.model import ClaimView, OrderPath
from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wiring.claims import claims, signer
from shared.wiring.edge import http_function


@http_function
async def get_claim(request: Request[Nothing, OrderPath]) -> Reply[ClaimView]:
    """GET /v1/orders/{order_id}/claim: the code a customer picks up with."""
    return await rule.get_claim(request.params.order_id, by=request.by, signer=signer(), using=claims())
