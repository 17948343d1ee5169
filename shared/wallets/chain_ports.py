"""What is needed of chains: balances, transactions that the platform knows of, the network itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.kernel.errors import Conflict
from shared.kernel.ids import PaymentId, UserId
from shared.kernel.money import Asset
from shared.wallets.chain_model import Signed, TokenTransfer, Transaction
from shared.wallets.ports import People


class TransactionRefused(Conflict):
    """The network does not take it, or it is not for this way."""

    type = "transaction-refused"
    title = "This transaction is not broadcast"


class NotServed(Exception):
    """The chain's node has no way to tell."""


@dataclass(frozen=True, slots=True)
class Held:
    """What an address holds after one block, in base units."""

    height: int
    block_hash: str
    units: Mapping[Asset, int]


@dataclass(frozen=True, slots=True)
class History:
    """The transfers of an address in the blocks from `first` to `last`, newest first."""

    first: int
    last: int
    transfers: Sequence[TokenTransfer]


class Holdings(Protocol):
    """One chain, asked what an address holds."""

    @property
    def name(self) -> str:
        """Return the chain's name in CHAINS."""
        ...

    async def held(self, address: str) -> Held:
        """Return what the address holds at the tip, all assets at one block. Raises NotServed, Transient."""
        ...

    async def transfers(self, address: str, until: int | None) -> History:
        """Return the address's token transfers in the blocks up to `until`, or the tip. Raises NotServed, Transient."""
        ...


class Network(Protocol):
    """One chain, to send to."""

    async def read(self, raw: str) -> Signed:
        """Return what the bytes (hex without 0x) are: a signed transaction of this chain, else Invalid is raised.

        Raises TransactionRefused where the network would not take it, or its fee makes no sense; Transient.
        """
        ...

    async def known(self, txid: str) -> bool:
        """Return whether the network has it: in a block, or waiting for one."""
        ...

    async def send(self, signed: Signed) -> None:
        """Give it to the network; known already is no error. Raises TransactionRefused, Transient."""
        ...


class Books(Protocol):
    """Reads what the platform knows of people's and of its own coins."""

    async def of_person(
        self, user_id: UserId, *, before: PaymentId | None, limit: int
    ) -> tuple[Sequence[Transaction], PaymentId | None]:
        """Return a page of a person's transactions, and the cursor of the next."""
        ...

    async def is_ours(self, signed: Signed) -> bool:
        """Return whether it spends what the platform keeps: a hot wallet's coins or nonces, a receive address's."""
        ...


@dataclass(frozen=True, slots=True)
class Chains:
    """Everything that these operations are given."""

    people: People
    holdings: Mapping[str, Holdings]
    networks: Mapping[str, Network]
    books: Books
