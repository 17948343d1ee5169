"""A person with a wallet, for tests that sign in."""

from __future__ import annotations

from datetime import UTC, datetime

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount

DOMAIN = "cortado.example"
NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
PERSON: LocalAccount = Account.from_key("0x" + "42" * 32)


def message(
    *,
    account: LocalAccount = PERSON,
    scheme: str = "",
    domain: str = DOMAIN,
    statement: str | None = "Sign in to Cortado.",
    uri: str = f"https://{DOMAIN}/",
    version: str = "1",
    chain_id: str = "31337",
    nonce: str = "a1b2c3d4e5f6",
    issued_at: str = "2026-05-06T12:00:00Z",
    tail: str = "",
) -> str:
    """Return the message that a wallet shows and signs."""
    said = f"{statement}\n" if statement is not None else ""
    return (
        f"{scheme}{domain} wants you to sign in with your Ethereum account:\n{account.address}\n\n{said}\n"
        f"URI: {uri}\nVersion: {version}\nChain ID: {chain_id}\nNonce: {nonce}\nIssued At: {issued_at}{tail}"
    )


def signature_of(text: str, account: LocalAccount = PERSON) -> str:
    """Return what `personal_sign` gives for the text."""
    return "0x" + bytes(account.sign_message(encode_defunct(text=text)).signature).hex()
