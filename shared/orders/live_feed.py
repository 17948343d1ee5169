"""Who waits for changes of orders, and the one question that a process asks on behalf of all of them.

However many wait, a process has one query under way, at most every half second: the versions of the orders that are
waited for. Only an order whose version grew is read. Nobody waiting means no query.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from shared.kernel.errors import TooMany, Transient
from shared.kernel.ids import OrderId
from shared.orders.model import LiveOrder
from shared.orders.ports import LiveReads

PAUSE_S: Final = 0.5
"""Between two questions: as much later than its commit a change is told at most, and a question's time."""
LONGEST_PAUSE_S: Final = 8.0
"""While the database does not answer."""
MOST_OPEN: Final = 2_000
"""Streams that a process holds open; each costs a task, an entry here, and an index look-up in every question."""
MOST_EACH: Final = 12
"""Of one person or staff key."""


class LiveVersions(LiveReads, Protocol):
    """Reads live documents, and how far many of them are."""

    async def versions(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, int]:
        """Return the version of each order's live document. Raises Transient."""
        ...


@dataclass(slots=True)
class _Waiter:
    """Somebody who knows a version, and is told of a later one."""

    known: int
    newer: asyncio.Event = field(default_factory=asyncio.Event)


class LiveFeed:
    """The orders that are waited for in this process. Belongs to the event loop that uses it."""

    def __init__(self, reads: LiveVersions, *, pause_s: float = PAUSE_S) -> None:
        self._reads = reads
        self._pause_s = pause_s
        self._waiting: dict[OrderId, set[int]] = {}
        self._waiters: dict[int, _Waiter] = {}
        self._callers: Counter[str] = Counter()
        self._numbers = 0
        self._asking: asyncio.Task[None] | None = None

    @property
    def open(self) -> int:
        """Return how many streams are open."""
        return self._callers.total()

    def admit(self, caller: str) -> None:
        """Raise TooMany where the process, or this caller, has as many streams as there may be."""
        if self.open >= MOST_OPEN or self._callers[caller] >= MOST_EACH:
            raise TooMany("There are too many open streams. Close one, or ask for the order itself.", retry_after_s=5)

    async def follow(
        self, first: LiveOrder, caller: str, *, beat_s: float, end_s: float
    ) -> AsyncGenerator[LiveOrder | None, None]:
        """Yield an order each time it changed after `first`; None after `beat_s` without news. Ends after `end_s`.

        What changed several times between two looks is yielded once, as it is then: never an older state.
        """
        loop, order_id = asyncio.get_running_loop(), first.order_id
        end, known = loop.time() + end_s, first.version
        self._numbers += 1
        number, waiter = self._numbers, _Waiter(known)
        self._waiters[number] = waiter
        self._waiting.setdefault(order_id, set()).add(number)
        self._callers[caller] += 1
        try:
            while (left := end - loop.time()) > 0:
                self._ask()
                try:
                    async with asyncio.timeout(min(beat_s, left)):
                        await waiter.newer.wait()
                except TimeoutError:
                    yield None
                    continue
                waiter.newer.clear()
                now = await self._read(order_id)
                if now is not None and now.version > known:
                    waiter.known = known = now.version
                    yield now
        finally:
            self._forget(order_id, number, caller)

    def _forget(self, order_id: OrderId, number: int, caller: str) -> None:
        del self._waiters[number]
        self._waiting[order_id].discard(number)
        if not self._waiting[order_id]:
            del self._waiting[order_id]
        self._callers[caller] -= 1
        if not self._callers[caller]:
            del self._callers[caller]

    async def _read(self, order_id: OrderId) -> LiveOrder | None:
        """Return the order; None while the database does not answer: the next look finds the change again."""
        try:
            return await self._reads.live(order_id)
        except Transient:
            return None

    def _ask(self) -> None:
        """See to it that somebody asks while anybody waits."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        pause_s = self._pause_s
        while self._waiting:
            await asyncio.sleep(pause_s)
            asked = tuple(self._waiting)
            try:
                found = await self._reads.versions(asked)
            except Transient:
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                continue
            pause_s = self._pause_s
            for order_id, version in found.items():
                for number in self._waiting.get(order_id, ()):
                    waiter = self._waiters[number]
                    if version > waiter.known:
                        waiter.newer.set()
