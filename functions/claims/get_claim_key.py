"""GET /v1/claims/key: the public keys that verify claim tokens."""

from shared.claims import get_claim_key as rule
from shared.claims.model import ClaimKeyView
from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wiring.claims import signer
from shared.wiring.edge import http_function


@http_function
async def get_claim_key(request: Request[Nothing, Nothing]) -> Reply[ClaimKeyView]:
    """GET /v1/claims/key: the public keys that verify claim tokens."""
    return await rule.get_claim_key(using=signer())
