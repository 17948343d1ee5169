"""request_nonce: a number to be used once, for the message that a wallet signs."""

import secrets

from shared.kernel.reply import Reply
from shared.wallets import siwe
from shared.wallets.model import Nonce
from shared.wallets.ports import SigningIn


async def request_nonce(*, client: str, using: SigningIn) -> Reply[Nonce]:
    """Return a fresh nonce of 128 random bits and what else the message must say. Raises TooMany."""
    nonce = secrets.token_hex(16)
    expires_at = await using.nonces.issue(nonce, client=client, lifetime=siwe.MAX_AGE)
    view = Nonce(
        nonce=nonce,
        domain=using.terms.domain,
        chain_ids=tuple(sorted(using.terms.chain_ids)),
        bitcoin_chain=using.terms.bitcoin_chain,
        expires_at=expires_at,
    )
    return Reply(view, headers={"cache-control": "no-store"})
