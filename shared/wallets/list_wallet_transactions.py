"""list_wallet_transactions: what a person paid on chains, and was paid back."""

from shared.kernel.decision import By
from shared.kernel.ids import UserId
from shared.kernel.reply import Reply
from shared.wallets.chain_model import ListTransactions, TransactionPage
from shared.wallets.chain_ports import Books


async def list_wallet_transactions(asked: ListTransactions, *, by: By, using: Books) -> Reply[TransactionPage]:
    """Return a page of the caller's transactions, whatever wallet they came from, and the cursor of the next."""
    page, after = await using.of_person(UserId(by.actor), before=asked.cursor, limit=asked.limit)
    return Reply(TransactionPage(transactions=tuple(page), next=after))
