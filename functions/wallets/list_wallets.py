"""GET /v1/wallets: the wallets that the caller has proven to be theirs."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wallets import list_wallets as rule
from shared.wallets.model import WalletList
from shared.wiring.edge import http_function
from shared.wiring.wallets import signing_in


@http_function
async def list_wallets(request: Request[Nothing, Nothing]) -> Reply[WalletList]:
    """GET /v1/wallets: the wallets that the caller has proven to be theirs."""
    return await rule.list_wallets(by=request.by, using=signing_in().people)
