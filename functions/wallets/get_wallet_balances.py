"""GET /v1/wallets/{wallet_id}/balances: what a wallet holds, each chain at one block."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wallets import get_wallet_balances as rule
from shared.wallets.chain_model import WalletBalances
from shared.wallets.model import WalletPath
from shared.wiring.edge import http_function
from shared.wiring.wallet_chains import chains


@http_function
async def get_wallet_balances(request: Request[Nothing, WalletPath]) -> Reply[WalletBalances]:
    """GET /v1/wallets/{wallet_id}/balances: what a wallet holds, each chain at one block."""
    return await rule.get_wallet_balances(request.params.wallet_id, by=request.by, using=chains())
