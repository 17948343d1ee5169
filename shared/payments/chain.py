"""What payments need from a blockchain: frozen values, and the Protocols that the chain adapters fulfil.

Everything is in base units (satoshi, wei, token units) and named by what survives a reorg:

- a chain by its key in the settings: `bitcoin`, `evm:31337`;
- an asset by its symbol; of token contracts only the allowed ones have one;
- a receiver by its watch key: on Bitcoin the scriptPubKey in hex, on EVM the lower-case `0x…` address;
- a transfer by `(chain, txid, position)`, see `Transfer`.

**Order of reading.** An address joins the watch set in Postgres before anybody sees it, so a reader misses
nothing if it asks the chain first and Postgres second: `tip()` → refresh the watch set → `scan(… tip)`, and
`mempool()` → refresh the watch set → `unconfirmed(new ones)`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from shared.kernel.errors import Bug, Transient
from shared.kernel.money import Asset

NATIVE_POSITION = -1
"""`Transfer.position` of the value that an EVM transaction itself carries; its logs count from 0."""


class ChainMoved(Transient):
    """The chain was reorganised while it was read: nothing of this read counts. Compare parents, read again."""


class NodeUntrusted(Bug):
    """The node contradicts itself, or what it said before: settle nothing from it, and raise the alarm."""


class StateGone(Transient):
    """The node has the block, but no longer the state after it."""


class BlockRef(NamedTuple):
    """One block of one chain. `hash` is lower-case hex as the chain's tools print it (EVM with 0x)."""

    chain: str
    height: int
    hash: str


class Outpoint(NamedTuple):
    """An output of a Bitcoin transaction, as an input spends it."""

    txid: str
    output: int


class TransferId(NamedTuple):
    """The identity of a transfer: the same before, between and after its inclusions."""

    chain: str
    txid: str
    position: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """Coins that reached a watched receiver. `units` > 0; what arrived, not what the sender said.

    `position` is on Bitcoin the output index; for a token the ordinal of the log among all logs of its
    transaction, from 0 (the block-wide log index changes on re-inclusion); for the native value of an EVM
    transaction `NATIVE_POSITION`. `block` and `time` (the block's own time, UTC) are None in the mempool.
    `coinbase` coins can't be spent before 100 confirmations.
    """

    chain: str
    asset: Asset
    txid: str
    position: int
    to: str
    units: int
    block: BlockRef | None = None
    time: datetime | None = None
    coinbase: bool = False

    @property
    def id(self) -> TransferId:
        return TransferId(self.chain, self.txid, self.position)


@dataclass(frozen=True, slots=True)
class Spend:
    """A watched outpoint and the transaction that spends it.

    Another transaction than the one that was seen to spend it proves the seen one replaced or double-spent.
    """

    outpoint: Outpoint
    by: str


@dataclass(frozen=True, slots=True)
class Outflow:
    """Coins that left a watched account, by its own transaction or a token's log: `units` > 0, network fees included.

    One for each transaction, account and asset.
    """

    asset: Asset
    txid: str
    account: str
    units: int


@dataclass(frozen=True, slots=True)
class Block:
    """A block as the watcher needs it: its place in the chain and what it means for watched receivers.

    `median_time` is Bitcoin's median-time-past of this block, on EVM the same as `time`. `transfers` come
    in the order of the chain (transaction, then position). `outflows` are told where a chain has accounts.
    """

    ref: BlockRef
    parent_hash: str
    time: datetime
    median_time: datetime
    transfers: tuple[Transfer, ...] = ()
    spends: tuple[Spend, ...] = ()
    outflows: tuple[Outflow, ...] = ()


@dataclass(frozen=True, slots=True)
class ScannedRange:
    """Every block of a range, ascending and without a gap; each `parent_hash` is the hash before it.

    `parent_hash` of the first block is for the caller to compare with its cursor.
    """

    blocks: tuple[Block, ...]

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        return tuple(transfer for block in self.blocks for transfer in block.transfers)

    @property
    def last(self) -> BlockRef:
        return self.blocks[-1].ref


@dataclass(frozen=True, slots=True)
class UnconfirmedTransaction:
    """A mempool transaction that pays a watched receiver or spends a watched outpoint.

    `inputs` are all its inputs: keep them with the sighting, and watch them for another spender.
    """

    txid: str
    inputs: tuple[Outpoint, ...]
    transfers: tuple[Transfer, ...]
    spends: tuple[Spend, ...]


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """What was found among the asked transactions.

    `gone` left the mempool before they could be read: mined (a scan finds them), replaced or evicted.
    """

    transactions: tuple[UnconfirmedTransaction, ...]
    gone: frozenset[str]


class Watch(Protocol):
    """The receivers that are watched. A `set` of watch keys is one."""

    def __contains__(self, key: object, /) -> bool: ...


class Chain(Protocol):
    """A node of one chain, read only. Every method raises Transient when the node is in trouble."""

    @property
    def name(self) -> str:
        """The chain's key in the settings: `bitcoin`, `evm:31337`."""

    @property
    def assets(self) -> frozenset[Asset]:
        """The assets that `scan` reports."""

    async def tip(self) -> BlockRef:
        """Return the block at the head of the node's best chain."""

    async def block_hash(self, height: int) -> str | None:
        """Return the hash of the best chain's block at the height, or None above the tip."""

    async def scan(
        self, height_from: int, height_to: int, watched: Watch, inputs: Collection[Outpoint] = ()
    ) -> ScannedRange:
        """Return every block from `height_from` to `height_to`, both included, with its watched transfers.

        Whoever spends one of `inputs` (those of seen transactions, own coins) is reported in `Block.spends`,
        where the chain has outpoints. Never less than was asked:
        raises ChainMoved where the range is not (or no longer) one piece of the best chain, NodeUntrusted
        where the node's answers contradict each other.
        """

    async def finalized_height(self) -> int:
        """Return the height up to which blocks are final by the chain's policy, -1 while none is.

        Raises NodeUntrusted when the node has no such notion, or takes back what it called final.
        """


class MempoolChain(Chain, Protocol):
    """A chain whose unconfirmed transactions can be watched."""

    async def mempool(self) -> frozenset[str]:
        """Return the txids in the mempool now."""

    async def unconfirmed(self, txids: Iterable[str], watched: Watch, inputs: Collection[Outpoint] = ()) -> Unconfirmed:
        """Read these mempool transactions, and return those that concern `watched` or `inputs`.

        Give only the ones that are new since the last call; seen ones missing from `mempool()` have
        vanished. Of two transactions that spend one outpoint the later sighting is the live one.
        """


class BalanceChain(Chain, Protocol):
    """A chain where coins can arrive without a transaction or log of their own (calls between contracts)."""

    @property
    def native(self) -> Asset:
        """The chain's own coin: the one that `balances` counts."""

    async def balances(self, keys: Collection[str], at: BlockRef) -> Mapping[str, int]:
        """Return the native balance of each watch key, in base units, all of them at this one block.

        Raises ChainMoved when the node does not know the block (any more), StateGone when it knows only that.
        """


@dataclass(frozen=True, slots=True)
class TokenState:
    """How a token stands after a block. `code` changes when what runs behind its contract does."""

    asset: Asset
    contract: str
    code: str
    reason: str | None
    """Why nothing may settle in it, by what the contract itself says; None: it says nothing against it."""


class TokenChain(Chain, Protocol):
    """A chain with tokens, whose contracts their owners can stop or exchange."""

    async def token_states(self, at: BlockRef) -> Sequence[TokenState]:
        """Return how each allowed token stands after this block. Raises ChainMoved."""

    async def token_balances(self, asset: Asset, keys: Collection[str], at: BlockRef) -> Mapping[str, int]:
        """Return what a token says each receiver has after this block, in base units. Raises ChainMoved."""


@dataclass(frozen=True, slots=True)
class ReceiveAddress:
    """An address to be paid: its text for people and wallets, its key for the watch set."""

    address: str
    key: str


class Addresses(Protocol):
    """What payments need to know of a chain's addresses. No I/O, no private key."""

    def receive(self, account_key: str, index: int) -> ReceiveAddress:
        """Derive receive address `index` (0 ≤ index < 2³¹) below the account's extended public key.

        Raises Invalid for a key that is private, of another network or not an account key.
        """

    def parse(self, text: str) -> ReceiveAddress:
        """Return the canonical form of an address somebody typed. Raises Invalid, saying what is wrong."""
