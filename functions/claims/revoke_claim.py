"""POST /v1/orders/{order_id}/claim/revoke: a code in the wrong hands is good for nothing, at once."""

from shared.claims import revoke_claim as rule
from shared.claims.model import ClaimView, OrderPath
from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wiring.claims import claims
from shared.wiring.edge import http_function


@http_function
async def revoke_claim(request: Request[Nothing, OrderPath]) -> Reply[ClaimView]:
    """POST /v1/orders/{order_id}/claim/revoke: a code in the wrong hands is good for nothing, at once."""
    return await rule.revoke_claim(request.params.order_id, by=request.by, using=claims())
