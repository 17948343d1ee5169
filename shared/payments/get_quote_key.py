"""get_quote_key: the public key that verifies quotes."""

from shared.kernel.reply import Reply
from shared.payments.model import QuoteKeyView
from shared.payments.ports import QuoteSigner


async def get_quote_key(*, using: QuoteSigner) -> Reply[QuoteKeyView]:
    """Return the key; it may be kept for an hour."""
    return Reply(QuoteKeyView(public_key=using.public_key), headers={"cache-control": "public, max-age=3600"})
