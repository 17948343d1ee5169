"""Watching a chain: from the cursor to the tip without a gap, back to the fork where the branch was lost.

One pass, under a lease of its own: ask the node first, Postgres for the watched receivers second, write under the
lease's epoch third. Whatever goes wrong, the cursor stands where everything before it was written.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from typing import Final

from shared.kernel.clock import Clock
from shared.kernel.decision import By
from shared.kernel.ids import uuid7_hex
from shared.payments.chain import (
    BlockRef,
    Chain,
    ChainMoved,
    MempoolChain,
    NodeUntrusted,
    Outpoint,
    Spend,
    Unconfirmed,
)
from shared.payments.looking import Looked, Looking
from shared.payments.observation import Observation, Sighting, observe
from shared.payments.ports import Cursor, Cursors, Receivers, Turn

BUDGET_S: Final = 20.0
"""A pass stops at a commit after so long; the next tick goes on from there."""
BEHIND: Final = timedelta(minutes=2)
"""A chain not read for so long has been down: its blocks' own time then says when transfers could be seen."""
_BRANCH: Final = 100
_MEMPOOL_BATCH: Final = 5_000


class DeepReorg(NodeUntrusted):
    """The node's chain shares no block with ours down to the last final one: nothing is written, somebody must look."""


@dataclass(frozen=True, slots=True)
class Watching:
    """What watching a chain is given. `range_blocks` is how many blocks one commit takes."""

    node: Chain
    cursors: Cursors
    receivers: Receivers
    clock: Clock
    range_blocks: int = 100
    budget_s: float = BUDGET_S
    looking: Looking | None = None
    """How balances are looked at, on a chain where coins can arrive unseen."""


@dataclass
class Watcher:
    """The watcher of one chain in this process. It remembers which mempool transactions it has read."""

    using: Watching
    mempool: MempoolChain | None = None
    _read: frozenset[str] = frozenset()
    _running: asyncio.Lock = field(default_factory=asyncio.Lock)
    _name: str = field(default_factory=lambda: f"{os.getpid()}-{uuid7_hex()[-12:]}")

    async def run(self, *, by: By) -> bool:
        """Read what is new; return False when another watcher is at it.

        Raises Fenced when another took over meanwhile, Transient when the node is in trouble, NodeUntrusted when it
        contradicts itself.
        """
        if self._running.locked():
            return False
        async with self._running:
            turn = await self.using.cursors.take(self.using.node.name, self._name)
            if turn is None:
                return False
            try:
                await self._pass(turn, by=by)
            finally:
                await self.using.cursors.release(turn)
            return True

    async def _pass(self, turn: Turn, *, by: By) -> None:
        listed = await self.mempool.mempool() if self.mempool else None
        tip = await self.using.node.tip()
        turn = await self._scanned(turn, tip, by=by)
        if turn.cursor is None or turn.cursor.block != tip:
            return  # out of budget, or the node is behind us: nothing is proven
        if self.mempool and listed is not None:
            await self._sighted(turn, self.mempool, listed, by=by)
        await self.using.cursors.caught_up(turn, mempool=listed is not None)

    async def _scanned(self, turn: Turn, tip: BlockRef, *, by: By) -> Turn:
        """Return the turn with its cursor at the tip, or as near as the budget goes."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.using.budget_s
        while turn.cursor is None or turn.cursor.block != tip:
            stepped = await self._step(turn, tip, by=by)
            if stepped is None:
                break
            turn = stepped
            if loop.time() >= end:
                break
        return turn

    async def _step(self, turn: Turn, tip: BlockRef, *, by: By) -> Turn | None:
        """Write the next range, and what a lost branch takes back with it; None when the node lags behind us."""
        node, cursor = self.using.node, turn.cursor
        fork = await self._fork(turn, cursor) if cursor else None
        if cursor and fork and fork == tip:
            return None  # the tip is one of our own blocks: a node that lags, not a reorganisation
        base = fork or (cursor.block if cursor else None)
        first = base.height + 1 if base else tip.height
        last = min(tip.height, first + self.using.range_blocks - 1)
        if last < first:
            raise ChainMoved(f"the tip went below {first} while it was read")
        receivers = await self.using.receivers.refresh(turn.chain)
        inputs = await self.using.receivers.inputs(turn.chain)
        final_height = await node.finalized_height()
        scanned = await node.scan(first, last, receivers, inputs.keys())
        if base is not None and scanned.blocks[0].parent_hash != base.hash:
            raise ChainMoved(f"block {first} does not follow the one that was scanned before it")
        looking = self.using.looking
        looked = await looking.look(turn, scanned, tip, fork=fork) if looking else Looked()
        if fork is not None:
            self._read = frozenset()  # what a lost block held may be back in the mempool
        observed = Observation(
            chain=turn.chain,
            at=self.using.clock.now(),
            blocks=scanned.blocks,
            fork=fork,
            conflicts=_conflicts((spend for block in scanned.blocks for spend in block.spends), inputs),
            behind=cursor is not None and turn.began - cursor.caught_up_at > BEHIND,
            mempool_watched=self.mempool is not None,
            native=looking.node.native if looking else None,
            looks=looked.looks,
            bases=looked.bases,
        )
        # A branch that got shorter makes nothing less final than it was told to be.
        final = max(min(final_height, scanned.last.height), cursor.final_height if cursor else -1)
        after = await self._record(turn, observed, final, by=by)
        if looking and looked.round_:
            await looking.books.reached(turn, looked.round_)
        return replace(turn, cursor=after)

    async def _fork(self, turn: Turn, cursor: Cursor) -> BlockRef | None:
        """Return the last block that our branch and the node's share, None where ours is still the best.

        Raises DeepReorg when they part below what was final.
        """
        node = self.using.node
        if await node.block_hash(cursor.block.height) == cursor.block.hash:
            return None
        below = cursor.block.height - 1
        while known := await self.using.cursors.branch(turn, below=below, limit=_BRANCH):
            for ours in known:
                if ours.height < cursor.final_height:
                    break
                if await node.block_hash(ours.height) == ours.hash:
                    return ours
            below = known[-1].height - 1
        raise DeepReorg(f"{turn.chain}: the node's chain parts from ours below the last final block")

    async def _sighted(self, turn: Turn, node: MempoolChain, listed: frozenset[str], *, by: By) -> None:
        """Write what the mempool's new transactions mean: sightings, and sighted ones that were replaced."""
        receivers = await self.using.receivers.refresh(turn.chain)
        inputs = await self.using.receivers.inputs(turn.chain)
        fresh, gone = iter(listed - self._read), set[str]()
        while batch := list(islice(fresh, _MEMPOOL_BATCH)):
            found = await node.unconfirmed(batch, receivers, inputs.keys())
            gone |= found.gone
            if found.transactions:
                await self._record(turn, self._unconfirmed(found, inputs), None, by=by)
        self._read = listed - gone

    def _unconfirmed(self, found: Unconfirmed, inputs: Mapping[Outpoint, frozenset[str]]) -> Observation:
        transactions = found.transactions
        return Observation(
            chain=self.using.node.name,
            at=self.using.clock.now(),
            sightings=tuple(Sighting(each, seen.inputs) for seen in transactions for each in seen.transfers),
            conflicts=_conflicts((spend for seen in transactions for spend in seen.spends), inputs),
            mempool_watched=True,
        )

    async def _record(self, turn: Turn, observed: Observation, final_height: int | None, *, by: By) -> Cursor | None:
        return await self.using.cursors.record(turn, observed, observe, final_height=final_height, by=by)


def _conflicts(spends: Iterable[Spend], inputs: Mapping[Outpoint, frozenset[str]]) -> dict[str, str]:
    """Return for each sighted transaction that lost its coins the one that spent them."""
    return {
        sighted: spend.by
        for spend in spends
        for sighted in inputs.get(spend.outpoint, frozenset())
        if sighted != spend.by
    }


async def watch_chains(watchers: Sequence[Watcher], *, by: By) -> None:
    """Run a pass of each chain at once; one that fails stops no other. Raises the first failure afterwards."""
    ended = await asyncio.gather(*(watcher.run(by=by) for watcher in watchers), return_exceptions=True)
    for failure in ended:
        if isinstance(failure, BaseException):
            raise failure
