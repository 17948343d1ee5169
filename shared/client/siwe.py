"""Signing in with Ethereum (EIP-4361): what the wallet is to sign. The wallet stays the caller's."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.kernel.clock import rfc3339
from shared.wallets.model import Nonce

STATEMENT: Final = "Order coffee with Cortado."
LIFETIME: Final = timedelta(minutes=5)

Sign = Callable[[str], str]
"""Signs a text by `personal_sign` (EIP-191) and returns the signature, `0x…`."""


def message(nonce: Nonce, address: str, *, now: datetime | None = None, chain_id: int | None = None) -> str:
    """Return the text to sign. `address` is in mixed case as EIP-55 has it; the chain is the first that is taken."""
    issued = (now or datetime.now(UTC)).replace(microsecond=0)
    lines = (
        f"{nonce.domain} wants you to sign in with your Ethereum account:",
        address,
        "",
        STATEMENT,
        "",
        f"URI: http://{nonce.domain}",
        "Version: 1",
        f"Chain ID: {chain_id or nonce.chain_ids[0]}",
        f"Nonce: {nonce.nonce}",
        f"Issued At: {rfc3339(issued)}",
        f"Expiration Time: {rfc3339(issued + LIFETIME)}",
    )
    return "\n".join(lines)
