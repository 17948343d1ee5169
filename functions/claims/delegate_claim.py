"""POST /v1/orders/{order_id}/claim/delegate: somebody else picks up, or a new code; the old one ends at once."""

from shared.claims import delegate_claim as rule
from shared.claims.model import ClaimView, DelegateClaim, OrderPath
from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.wiring.claims import claims, signer
from shared.wiring.edge import http_function


@http_function
async def delegate_claim(request: Request[DelegateClaim, OrderPath]) -> Reply[ClaimView]:
    """POST /v1/orders/{order_id}/claim/delegate: somebody else picks up, or a new code; the old one ends at once."""
    return await rule.delegate_claim(
        request.params.order_id, request.body, by=request.by, signer=signer(), using=claims()
    )
