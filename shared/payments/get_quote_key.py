"""get_quote_key: the public keys that verify quotes."""

from base64 import b64encode, urlsafe_b64encode

from shared.kernel.reply import Reply
from shared.payments.model import QuoteKey, QuoteKeyView
from shared.payments.ports import QuoteSigner


async def get_quote_key(*, using: QuoteSigner) -> Reply[QuoteKeyView]:
    """Return the keys; they may be kept for an hour."""
    view = QuoteKeyView(
        public_key=b64encode(using.public_keys[using.key_id]).decode(),
        key_id=using.key_id,
        keys=tuple(
            QuoteKey(kid=key_id, x=urlsafe_b64encode(key).rstrip(b"=").decode())
            for key_id, key in using.public_keys.items()
        ),
    )
    return Reply(view, headers={"cache-control": "public, max-age=3600"})
