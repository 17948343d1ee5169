"""POST /v1/transactions: give the network what a wallet signed, after a look at what it is."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wallets import broadcast_transaction as rule
from shared.wallets.chain_model import BroadcastTransaction, BroadcastView
from shared.wiring.edge import http_function
from shared.wiring.wallet_chains import chains


@http_function
async def broadcast_transaction(request: Request[BroadcastTransaction, Nothing]) -> Reply[BroadcastView]:
    """POST /v1/transactions: give the network what a wallet signed, after a look at what it is."""
    return await rule.broadcast_transaction(request.body, using=chains())
