"""What watching a chain needs from outside besides its node: cursors, what is watched, books, holds and gauges."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.kernel.decision import By
from shared.kernel.facts import Fact
from shared.kernel.money import Asset
from shared.payments.chain import BlockRef, Outpoint, TokenState, Watch
from shared.payments.model import Payment
from shared.payments.observation import Observation


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last block that was scanned."""

    block: BlockRef
    final_height: int
    agreed: int
    """The height that confirmations count from."""
    caught_up_at: datetime
    """Up to when (database clock) everything on the chain was read."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One pass of a watcher under a lease of its own. `began` is the database's clock before the node was asked."""

    chain: str
    owner: str
    generation: int
    epoch: int
    began: datetime
    cursor: Cursor | None
    """None before the chain's first block was scanned."""


class Cursors(Protocol):
    """How far each chain was read. Every write is refused (Fenced) under another epoch than the turn's."""

    async def take(self, chain: str, owner: str) -> Turn | None:
        """Return a turn, or None while another watcher has the lease."""
        ...

    async def release(self, turn: Turn) -> None:
        """Let the next watcher in at once."""
        ...

    async def branch(self, turn: Turn, *, below: int, limit: int) -> Sequence[BlockRef]:
        """Return scanned blocks at `below` and lower, highest first: none lies under the last final block."""
        ...

    async def record(
        self,
        turn: Turn,
        observed: Observation,
        rule: Callable[[Payment, Observation], Sequence[Fact]],
        *,
        final_height: int | None,
        agreed: int | None = None,
        by: By,
    ) -> Cursor | None:
        """Write an observation: cursor, facts of every payment it touches, coins to watch; all of it or nothing.

        `final_height` is None for an observation without blocks, `agreed` where one node is asked. Returns the new
        cursor. Raises Fenced.
        """
        ...

    async def agree(
        self,
        turn: Turn,
        observed: Observation,
        rule: Callable[[Payment, Observation], Sequence[Fact]],
        *,
        agreed: int,
        by: By,
    ) -> Cursor:
        """Write that a second node says the same of blocks that were read before; `observed` has them again.

        Raises Fenced.
        """
        ...

    async def caught_up(self, turn: Turn, *, mempool: bool) -> None:
        """Note that the chain (and its mempool) was read up to when the turn began. Raises Fenced."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """What should lie at a receiver in its chain's own coin: what was credited less what left, in base units.

    `base` lay there besides when it was handed out, after block `since`; None where nobody looked, or knows.
    """

    watch_key: str
    expected: int
    since: int | None
    base: int | None


class Books(Protocol):
    """Says which receivers to look at, and what should be found there."""

    async def open(self, turn: Turn, native: Asset) -> Sequence[Account]:
        """Return the receivers of payments in the chain's own coin that are neither final nor over."""
        ...

    async def round(self, turn: Turn, native: Asset) -> Sequence[Account]:
        """Return the next receivers of the daily round, none while it waits for tomorrow."""
        ...

    async def reached(self, turn: Turn, last: Sequence[Account]) -> None:
        """Note that the round has passed these accounts."""
        ...


class Holds(Protocol):
    """Which assets nothing settles in for the time being."""

    async def hold(self, turn: Turn, states: Sequence[TokenState], short: Mapping[Asset, int]) -> Mapping[Asset, str]:
        """Hold what must be held, let go of the rest; return why each is held.

        An asset is held while its contract says so, while it runs other code than when it was first seen, and while
        `short` receivers have less of it than was credited. Raises Fenced.
        """
        ...


class Gauges(Protocol):
    """Shows how watching a chain goes, and raises the alarm."""

    def read(self, chain: str, *, blocks: int, seconds: float, at: datetime) -> None:
        """Tell how far behind the tip a pass ended that ended at `at`."""
        ...

    def nodes(self, chain: str, *, missing: bool, apart: int, unsettled: int) -> None:
        """Tell whether the other node is missing, about how many blocks the nodes contradict each other, and how many
        blocks wait for it before anything settles in them."""
        ...

    def held(self, chain: str, reasons: Mapping[Asset, str]) -> None:
        """Tell in which assets of the chain nothing settles, and why."""
        ...

    def short(self, chain: str, receivers: int) -> None:
        """Tell that so many receivers have less than came and left by what was read."""
        ...


class NoGauges:
    """Shows nothing."""

    def read(self, chain: str, *, blocks: int, seconds: float, at: datetime) -> None: ...
    def nodes(self, chain: str, *, missing: bool, apart: int, unsettled: int) -> None: ...
    def held(self, chain: str, reasons: Mapping[Asset, str]) -> None: ...
    def short(self, chain: str, receivers: int) -> None: ...


class Receivers(Protocol):
    """What is watched on one chain: a cache over Postgres, which is the truth."""

    async def refresh(self, chain: str) -> Watch:
        """Return the watch set with every receiver committed so far."""
        ...

    async def inputs(self, chain: str) -> Mapping[Outpoint, frozenset[str]]:
        """Return the coins that sighted transactions spend, each with the transactions that were seen to."""
        ...
