"""GET /v1/wallets/{wallet_id}/transfers: what came to a wallet and left it, as far as a node can tell."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wallets import list_wallet_transfers as rule
from shared.wallets.chain_model import ListTransfers, TransferPage
from shared.wiring.edge import http_function
from shared.wiring.wallet_chains import chains


@http_function
async def list_wallet_transfers(request: Request[Nothing, ListTransfers]) -> Reply[TransferPage]:
    """GET /v1/wallets/{wallet_id}/transfers: what came to a wallet and left it, as far as a node can tell."""
    return await rule.list_wallet_transfers(request.params, by=request.by, using=chains())
