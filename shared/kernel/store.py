"""The port every service's own store has: load a stream, let a rule decide about it, append in one commit."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from shared.kernel.decision import By, Decided, Stored
from shared.kernel.facts import Fact
from shared.kernel.reply import Reply

S = TypeVar("S")
V = TypeVar("V")
Rule = Callable[[S | None], Sequence[Fact] | Decided | Awaitable[Sequence[Fact] | Decided]]
"""From the present state (None: no such stream yet) to facts. No facts: there is nothing to do."""


class Store(Protocol[S]):
    """Streams of one kind of state."""

    async def load(self, id: str) -> Stored[S] | None:
        """Return the present state, or None when there is no such stream."""
        ...

    async def decide(
        self,
        id: str,
        rule: Rule[S],
        *,
        by: By,
        now: datetime,
        reply: Callable[[Stored[S]], Reply[V]] | None = None,
        if_match: int | None = None,
    ) -> Stored[S]:
        """Load, let `rule` decide, append; again when a stream moved meanwhile, three times at most.

        Returns the new state. `reply` says what is stored under the Idempotency-Key of `by`. Raises AlreadyAnswered,
        AlreadyTaken, VersionConflict, Transient and whatever the rule refuses with.
        """
        ...


class Inbox(Protocol):
    """Which events an operation has taken: what has no row here is sent again."""

    async def take(self, by: By) -> None:
        """Note that the event in `by.once` needs nothing more from this operation. Taking it twice is harmless."""
        ...
