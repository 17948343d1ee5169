"""Two nodes of one chain, asked as one: read from either, settled by both.

What the reading node says of a block counts for settling once the other one says exactly the same: hash, parent, time,
every transfer and outflow. While the other one is missing, or far behind, the reading node alone needs `alone_depth`
confirmations more; while they contradict each other, nothing beyond the last block they agree on settles. Both end by
themselves.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from shared.kernel.errors import Transient
from shared.kernel.money import Asset
from shared.payments.chain import (
    BalanceChain,
    BlockRef,
    Chain,
    MempoolChain,
    NodeUntrusted,
    Outpoint,
    ScannedRange,
    TokenChain,
    TokenState,
    Unconfirmed,
    Watch,
)

N = TypeVar("N", bound=Chain)


class NodesContradict(NodeUntrusted):
    """Of one and the same block two nodes tell different things: nothing of it is written, somebody must look."""


class TwoNodes(Generic[N]):
    """Fulfils `shared.payments.chain.Chain` with whichever node answers. Both must be of the same chain."""

    def __init__(self, first: N, second: N, *, alone_depth: int) -> None:
        self._nodes = (first, second)
        self.alone_depth = alone_depth
        self.reading, self.other = first, second
        self._other_tip: BlockRef | None = None
        self._doubt = False

    @property
    def name(self) -> str:
        return self._nodes[0].name

    @property
    def assets(self) -> frozenset[Asset]:
        return self._nodes[0].assets

    @property
    def missing(self) -> bool:
        """Return whether the other node did not answer, when the tip was last asked for."""
        return self._other_tip is None

    async def tip(self) -> BlockRef:
        """Return the head of the node that is read from now on: the first, unless it fails or lags far behind."""
        told = await asyncio.gather(*(node.tip() for node in self._nodes), return_exceptions=True)
        first, second = (_answer(each) for each in told)
        self._doubt = any(isinstance(each, NodeUntrusted) for each in told)
        if isinstance(first, BlockRef) and not (
            isinstance(second, BlockRef) and second.height - first.height > self.alone_depth
        ):
            (self.reading, self.other), tip, other = self._nodes, first, second
        elif isinstance(second, BlockRef):
            (self.other, self.reading), tip, other = self._nodes, second, first
        else:
            assert isinstance(first, Exception)
            raise first
        self._other_tip = other if isinstance(other, BlockRef) else None
        return tip

    async def block_hash(self, height: int) -> str | None:
        return await self.reading.block_hash(height)

    async def scan(
        self, height_from: int, height_to: int, watched: Watch, inputs: Collection[Outpoint] = ()
    ) -> ScannedRange:
        return await self.reading.scan(height_from, height_to, watched, inputs)

    async def finalized_height(self) -> int:
        return await self.reading.finalized_height()

    async def agreed(self, scanned: ScannedRange, watched: Watch, inputs: Collection[Outpoint] = ()) -> int:
        """Return the last height of the range up to which the other node says the same; the one before it for none.

        Raises NodesContradict.
        """
        first = scanned.blocks[0].ref.height
        last = min(scanned.last.height, self._other_tip.height) if self._other_tip else first - 1
        if last < first:
            return first - 1
        try:
            theirs = await self.other.scan(first, last, watched, inputs)
        except Transient:
            return first - 1
        for our, their in zip(scanned.blocks, theirs.blocks, strict=False):
            if our.ref != their.ref:
                self._doubt = True
                return our.ref.height - 1
            if our != their:
                raise NodesContradict(f"{self.name}: the nodes tell different things of block {our.ref.height}")
        return last

    def settles(self, height: int, agreed: int) -> int:
        """Return the height that confirmations count from, having read up to `height` and agreed up to `agreed`."""
        unasked = self._other_tip is not None and agreed < min(self._other_tip.height, height)
        return agreed if self._doubt or unasked else max(agreed, height - self.alone_depth)

    def apart(self, height: int, agreed: int) -> int:
        """Return how many blocks the nodes are in contradiction about, 0 while one is merely missing or behind."""
        return max(height - agreed, 1) if self._doubt else 0


class TwoMempoolNodes(TwoNodes[MempoolChain]):
    """Two nodes with mempools; the one that lists it is asked for what is in it."""

    _listing: MempoolChain | None = None

    async def mempool(self) -> frozenset[str]:
        try:
            self._listing = self.reading
            return await self.reading.mempool()
        except Transient:
            self._listing = self.other
            return await self.other.mempool()

    async def unconfirmed(self, txids: Iterable[str], watched: Watch, inputs: Collection[Outpoint] = ()) -> Unconfirmed:
        return await (self._listing or self.reading).unconfirmed(txids, watched, inputs)


class AccountChain(BalanceChain, TokenChain, Protocol):
    """A chain with accounts and tokens."""


class TwoBalanceNodes(TwoNodes[AccountChain]):
    """Two nodes of a chain with accounts."""

    async def token_states(self, at: BlockRef) -> Sequence[TokenState]:
        return await self.reading.token_states(at)

    async def token_balances(self, asset: Asset, keys: Collection[str], at: BlockRef) -> Mapping[str, int]:
        return await self.reading.token_balances(asset, keys, at)

    @property
    def native(self) -> Asset:
        return self._nodes[0].native

    async def balances(self, keys: Collection[str], at: BlockRef) -> Mapping[str, int]:
        """Return what the reading node says; raises NodesContradict where the other one says something else."""
        ours = await self.reading.balances(keys, at)
        if self._other_tip is not None and at.height <= self._other_tip.height:
            try:
                theirs = await self.other.balances(keys, at)
            except Transient:
                return ours  # it does not have this very block, so it does not agree on it either
            if theirs != ours:
                raise NodesContradict(f"{self.name}: the nodes tell different balances after block {at.height}")
        return ours


def _answer(told: BlockRef | BaseException) -> BlockRef | Transient | NodeUntrusted:
    if isinstance(told, BlockRef | Transient | NodeUntrusted):
        return told
    raise told
