"""POST /v1/auth/nonce: a number to be used once, for the message that a wallet signs."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wallets import request_nonce as rule
from shared.wallets.model import Nonce
from shared.wiring.edge import http_function
from shared.wiring.wallets import signing_in


@http_function
async def request_nonce(request: Request[Nothing, Nothing]) -> Reply[Nonce]:
    """POST /v1/auth/nonce: a number to be used once, for the message that a wallet signs."""
    return await rule.request_nonce(client=request.client, using=signing_in())
