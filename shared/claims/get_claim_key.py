"""get_claim_key: the public keys that verify claim tokens, so that a shop can do it without a connection."""

from base64 import urlsafe_b64encode

from shared.claims.model import ClaimKey, ClaimKeyView
from shared.claims.tokens import KID_CHARS, ClaimSigner
from shared.kernel.reply import Reply


async def get_claim_key(*, using: ClaimSigner) -> Reply[ClaimKeyView]:
    """Return the keys, those included that sign next or signed before; they may be kept for an hour."""
    keys = tuple(
        ClaimKey(kid=key_id[:KID_CHARS], x=urlsafe_b64encode(key).rstrip(b"=").decode())
        for key_id, key in using.public_keys.items()
    )
    return Reply(ClaimKeyView(keys=keys), headers={"cache-control": "public, max-age=3600"})
