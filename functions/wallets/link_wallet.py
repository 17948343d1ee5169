"""POST /v1/wallets: another wallet of the caller, by proof."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wallets import link_wallet as rule
from shared.wallets.model import LinkWallet, WalletList
from shared.wiring.edge import http_function
from shared.wiring.wallets import linking, signing_in


@http_function
async def link_wallet(request: Request[LinkWallet, Nothing]) -> Reply[WalletList]:
    """POST /v1/wallets: another wallet of the caller, by proof."""
    return await rule.link_wallet(
        request.body, client=request.client, by=request.by, proof=linking(), using=signing_in()
    )
