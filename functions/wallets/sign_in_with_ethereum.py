"""POST /v1/auth/siwe: a signed message proves an address; its person gets a token."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wallets import sign_in_with_ethereum as rule
from shared.wallets.model import SignedIn, SignIn
from shared.wiring.edge import http_function
from shared.wiring.wallets import proof, signing_in


@http_function
async def sign_in_with_ethereum(request: Request[SignIn, Nothing]) -> Reply[SignedIn]:
    """POST /v1/auth/siwe: a signed message proves an address; its person gets a token."""
    return await rule.sign_in_with_ethereum(
        request.body, client=request.client, by=request.by, proof=proof(), using=signing_in()
    )
