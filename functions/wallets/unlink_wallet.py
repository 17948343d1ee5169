"""DELETE /v1/wallets/{wallet_id}: a wallet is the caller's no more."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wallets import unlink_wallet as rule
from shared.wallets.model import WalletList, WalletPath
from shared.wiring.edge import http_function
from shared.wiring.wallets import signing_in


@http_function
async def unlink_wallet(request: Request[Nothing, WalletPath]) -> Reply[WalletList]:
    """DELETE /v1/wallets/{wallet_id}: a wallet is the caller's no more."""
    return await rule.unlink_wallet(request.params.wallet_id, by=request.by, using=signing_in())
