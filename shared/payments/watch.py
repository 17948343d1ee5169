"""Watching a chain: from the cursor to the tip without a gap, back to the fork where the branch was lost.

One pass, under a lease of its own: ask the node first, Postgres for the watched receivers second, write under the
lease's epoch third. Whatever goes wrong, the cursor stands where everything before it was written.
"""

import asyncio
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from typing import Any, Final

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
    ScannedRange,
    Spend,
    Unconfirmed,
    Watch,
)
from shared.payments.looking import Looked, Looking
from shared.payments.observation import Observation, Sighting, observe
from shared.payments.token_guard import TokenGuard
from shared.payments.two_nodes import NodesContradict, TwoNodes
from shared.payments.watch_ports import Cursor, Cursors, Gauges, NoGauges, Receivers, Turn

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
    guard: TokenGuard | None = None
    """What looks after the tokens of the chain."""
    pair: TwoNodes[Any] | None = None
    """The node, where it is two of them."""
    gauges: Gauges = field(default_factory=NoGauges)


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
        try:
            turn = await self._confirmed_by_both(turn, by=by)
            turn = await self._scanned(turn, tip, by=by)
        except NodesContradict:
            self._measure(turn, tip, contradiction=True)
            raise
        apart = self._measure(turn, tip)
        if turn.cursor is None or turn.cursor.block != tip:
            return  # out of budget, or the node is behind us: nothing is proven
        if self.mempool and listed is not None:
            await self._sighted(turn, self.mempool, listed, by=by)
        if not apart:  # on a branch that one node alone is on, what did not come proves nothing
            await self.using.cursors.caught_up(turn, mempool=listed is not None)

    def _measure(self, turn: Turn, tip: BlockRef, *, contradiction: bool = False) -> int:
        """Tell how far behind we are, and return how many blocks the nodes are in contradiction about."""
        cursor, pair, now = turn.cursor, self.using.pair, self.using.clock.now()
        behind = max(tip.height - cursor.block.height, 0) if cursor else 0
        behind_s = (now - cursor.caught_up_at).total_seconds() if cursor and behind else 0.0
        self.using.gauges.read(turn.chain, blocks=behind, seconds=behind_s, at=now)
        apart = 0
        if pair is not None and cursor is not None:
            apart = max(pair.apart(cursor.block.height, cursor.agreed), int(contradiction))
            self.using.gauges.nodes(turn.chain, missing=pair.missing, apart=apart, unsettled=_unsettled(cursor))
        return apart

    async def _confirmed_by_both(self, turn: Turn, *, by: By) -> Turn:
        """Have the other node confirm what it missed or contradicted when it was read."""
        node, cursor, pair = self.using.node, turn.cursor, self.using.pair
        if pair is None or cursor is None or cursor.agreed >= cursor.block.height or pair.missing:
            return turn
        first = cursor.agreed + 1
        last = min(cursor.block.height, first + self.using.range_blocks - 1)
        receivers = await self.using.receivers.refresh(turn.chain)
        inputs = await self.using.receivers.inputs(turn.chain)
        scanned = await node.scan(first, last, receivers, inputs.keys())
        if await node.block_hash(cursor.block.height) != cursor.block.hash:
            return turn  # another branch has to be read first
        agreed = max(cursor.agreed, pair.settles(last, await pair.agreed(scanned, receivers, inputs.keys())))
        if agreed == cursor.agreed:
            return turn
        again = Observation(chain=turn.chain, at=self.using.clock.now(), blocks=scanned.blocks, behind=True)
        after = await self.using.cursors.agree(turn, again, observe, agreed=agreed, by=by)
        return replace(turn, cursor=after)

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
        agreed = await self._agreed(cursor, base, scanned, receivers, inputs.keys())
        if base is not None and scanned.blocks[0].parent_hash != base.hash:
            raise ChainMoved(f"block {first} does not follow the one that was scanned before it")
        looking = self.using.looking
        looked = await looking.look(turn, scanned, tip, fork=fork) if looking else Looked()
        if looking:
            self.using.gauges.short(turn.chain, looked.short)
        if guard := self.using.guard:
            self.using.gauges.held(turn.chain, await guard.check(turn, scanned, tip, fork=fork))
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
        newest = scanned.last.height if agreed is None else agreed
        final = max(min(final_height, newest), cursor.final_height if cursor else -1)
        after = await self._record(turn, observed, final, agreed, by=by)
        if looking and looked.round_:
            await looking.books.reached(turn, looked.round_)
        return replace(turn, cursor=after)

    async def _agreed(
        self,
        cursor: Cursor | None,
        base: BlockRef | None,
        scanned: ScannedRange,
        watched: Watch,
        inputs: Collection[Outpoint],
    ) -> int | None:
        """Return the height that confirmations count from after this range; None where there is one node."""
        pair = self.using.pair
        if pair is None:
            return None
        below = scanned.blocks[0].ref.height - 1
        before = min(cursor.agreed, below) if cursor and base else below
        # Whether it says the same of blocks above a gap is asked when the gap is closed.
        both = await pair.agreed(scanned, watched, inputs) if before == below else before
        return max(before, pair.settles(scanned.last.height, both))

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
                await self._record(turn, self._unconfirmed(found, inputs), None, None, by=by)
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

    async def _record(
        self, turn: Turn, observed: Observation, final_height: int | None, agreed: int | None, *, by: By
    ) -> Cursor | None:
        record = self.using.cursors.record
        return await record(turn, observed, observe, final_height=final_height, agreed=agreed, by=by)


def _unsettled(cursor: Cursor) -> int:
    """Return how many blocks were read that one node alone has confirmed so far."""
    return cursor.block.height - cursor.agreed


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
