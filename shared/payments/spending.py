"""What sending coins needs from outside: a hot wallet per chain, and the signer behind it.

Nothing here is given to a function that serves HTTP. The order of a sending is fixed: draft, reserve the draft's slots
and store what was signed in one commit, then broadcast; from then on only those bytes, or a bump that shares a slot.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from shared.kernel.errors import Bug, Transient
from shared.kernel.money import Asset
from shared.payments.chain import ReceiveAddress


class WalletShort(Transient):
    """The hot wallet has not enough coins (or gas) now: somebody must fund it, nothing else is wrong."""


class UnsafeTransaction(Bug):
    """What was built is not what was intended. It was not signed, or not broadcast."""


@dataclass(frozen=True, slots=True)
class Intent:
    """Who is to get what. `reference` names it for ever (a refund's id); `units` > 0 reach `to`, fees come on top."""

    reference: str
    chain: str
    asset: Asset
    to: ReceiveAddress
    units: int


@dataclass(frozen=True, slots=True)
class Draft:
    """An unsigned transaction. `slots` is what it uses up: `<txid>:<output>` per input, or `<account>:<nonce>`.

    Of two transactions that share a slot the chain takes one at most. `fee` is the most it can cost, in base units of
    `fee_asset`; `body` is the PSBT or the EIP-1559 transaction, unsigned.
    """

    intent: Intent
    slots: tuple[str, ...]
    fee: int
    fee_asset: Asset
    body: bytes


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """What may be broadcast, any number of times. `raw` is hex without 0x, `txid` as the chain prints it."""

    txid: str
    raw: str
    slots: tuple[str, ...]
    fee: int
    fee_asset: Asset


class Whereabouts(StrEnum):
    """Where a broadcast transaction is."""

    UNKNOWN = "unknown"
    MEMPOOL = "mempool"
    MINED = "mined"
    FAILED = "failed"
    """Mined and reverted: the slot is used up, the coins did not move, the fee is gone."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a transaction is, and what it cost. `fee` is exact once it is mined; confirmations ≥ 1 from then on."""

    whereabouts: Whereabouts
    confirmations: int = 0
    height: int | None = None
    block_hash: str | None = None
    fee: int | None = None
    final: bool = False
    """By the chain's own rule."""
    moved: int | None = None
    """Once it is mined: the base units that reached the receiver. Less than intended where a token keeps a fee."""


class HotWallet(Protocol):
    """The coins of one chain that refunds are paid from. Every method raises Transient when node or signer is down."""

    @property
    def chain(self) -> str:
        """Return the chain's name in the settings."""
        ...

    async def address(self) -> ReceiveAddress:
        """Return where it is funded."""
        ...

    async def balances(self) -> Mapping[Asset, int]:
        """Return the base units it holds in confirmed coins, of each asset of the chain."""
        ...

    async def draft(self, intent: Intent, *, taken: Collection[str]) -> Draft:
        """Return a transaction that pays the intent from slots that are not taken. Raises WalletShort, Invalid."""
        ...

    async def bump(self, intent: Intent, before: Sequence[SignedTransaction], *, taken: Collection[str]) -> Draft:
        """Return a dearer transaction for the same intent that shares a slot with every one of `before`.

        It may use up further slots, none of those that are taken by others; those of `before` may be among `taken`.
        Raises WalletShort, Invalid when the fee would pass the wallet's limit.
        """
        ...

    async def sign(self, draft: Draft) -> SignedTransaction:
        """Return the signed transaction, decoded again and found to pay the intent, its change to the wallet, its fee.

        Raises UnsafeTransaction for anything else.
        """
        ...

    async def broadcast(self, signed: SignedTransaction) -> None:
        """Give it to the network; one that is known or mined already is no error. Raises Transient, Invalid."""
        ...

    async def standing(self, signed: Sequence[SignedTransaction]) -> Sequence[Standing]:
        """Return where each of them is, in their order."""
        ...


class Signer(Protocol):
    """A secp256k1 key that signs and never leaves its place."""

    async def public_key(self) -> bytes:
        """Return the compressed public key, 33 bytes."""
        ...

    async def sign(self, digest: bytes) -> tuple[int, int, int]:
        """Return (r, s, recovery id) over 32 bytes: s in the lower half, recovery id 0 or 1 (SEC 1, BIP-62)."""
        ...
