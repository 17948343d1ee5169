"""Who signed a message of an EVM wallet: a key, or a contract that says who signs for it."""

from enum import StrEnum
from typing import Final, Protocol

from shared.wallets import siwe
from shared.wallets.ports import ContractWallets, Nonces, Signatures

_UNDEPLOYED: Final = "6492" * 16
"""How signatures of contracts end that are not deployed yet (ERC-6492)."""


class NoSuchChain(Exception):
    """No node of this chain is known here."""


class SignedBy(StrEnum):
    """What stands behind an address."""

    KEY = "eoa"
    CONTRACT = "contract"


class Provers(Protocol):
    """What tells signatures."""

    @property
    def signatures(self) -> Signatures: ...

    @property
    def contracts(self) -> ContractWallets: ...


async def prove(message: siwe.Message, text: str, signature: str, *, provers: Provers, nonces: Nonces) -> SignedBy:
    """Return what signed for the address of a message that was checked before. Raises SignInRefused, Transient.

    A contract is asked on the message's chain, and only for a nonce that could be used: nodes are not free.
    """
    if provers.signatures.signer(text, signature) == message.address:
        return SignedBy.KEY
    if signature.lower().endswith(_UNDEPLOYED):
        raise siwe.SignInRefused(
            "The signature is one of a contract that is not deployed yet (ERC-6492). Deploy the wallet first."
        )
    if not await nonces.live(message.nonce):
        raise siwe.SignInRefused("The nonce is not known, was used, or is too old. Ask for a fresh one.")
    try:
        signed = await provers.contracts.signed(message.chain_id, message.address, text, signature)
    except NoSuchChain:
        signed = False
    if not signed:
        raise siwe.SignInRefused("The signature is not that of the address in the message.")
    return SignedBy.CONTRACT
