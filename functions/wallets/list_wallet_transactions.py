"""GET /v1/transactions: what the caller paid on chains, and was paid back."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wallets import list_wallet_transactions as rule
from shared.wallets.chain_model import ListTransactions, TransactionPage
from shared.wiring.edge import http_function
from shared.wiring.wallets import person_books


@http_function
async def list_wallet_transactions(request: Request[Nothing, ListTransactions]) -> Reply[TransactionPage]:
    """GET /v1/transactions: what the caller paid on chains, and was paid back."""
    return await rule.list_wallet_transactions(request.params, by=request.by, using=person_books())
