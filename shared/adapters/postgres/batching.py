"""Group commit: concurrent requests of one instance share a statement and a commit.

While a batch is under way the next one gathers, so a lone request waits for nobody and a crowd shares round trips and
WAL flushes. `batch` says how many share one statement, `lanes` how many statements are under way at once: a second one
only for a crowd, because half as many statements are worth more than two at a time. Nobody waits longer than `wait_s`
to be part of a batch, and whoever has gone away is not taken along.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.adapters.postgres.refusals import Undone
from shared.kernel.errors import Bug

A = TypeVar("A")
R = TypeVar("R")


@dataclass(slots=True)
class _Waiting(Generic[A, R]):
    item: A
    future: asyncio.Future[R]
    patience: asyncio.TimerHandle | None = None

    def turn_away(self) -> None:
        """Refuse what no batch has taken yet."""
        if not self.future.done():
            self.future.set_exception(
                Undone("More is ordered than can be stored. Repeat with the same Idempotency-Key.")
            )


class Grouped(Generic[A, R]):
    """Calls `run` with up to `batch` items at once; each caller gets its own item's result or exception."""

    def __init__(
        self,
        run: Callable[[Sequence[A]], Awaitable[Sequence[R | Exception]]],
        *,
        batch: int,
        lanes: int,
        crowd: int = 1,
        slow_s: float = 0.25,
        wait_s: float = 2.0,
    ) -> None:
        """`run` returns one result or exception per item, in order; what it raises goes to every caller.

        `crowd` (at most `batch`) is how many must wait for another lane to open beside one at work. A lane that has
        been at one statement for `slow_s` is no longer counted on: what gathers meanwhile gets another at once.
        """
        self._run = run
        self._batch = batch
        self._lanes = lanes
        self._crowd = crowd
        self._slow_s = slow_s
        self._wait_s = wait_s
        self._busy = 0
        self._slow = 0
        self._running: set[asyncio.Task[None]] = set()  # the loop itself holds tasks only weakly
        self._waiting: deque[_Waiting[A, R]] = deque()

    async def submit(self, item: A) -> R:
        """Return the item's result, once the batch it went with is committed. Raises Undone when none took it."""
        loop = asyncio.get_running_loop()
        one: _Waiting[A, R] = _Waiting(item, loop.create_future())
        self._waiting.append(one)
        if self._busy:
            one.patience = loop.call_later(self._wait_s, one.turn_away)
        if self._wanted:
            self._open()
        return await one.future

    @property
    def _wanted(self) -> bool:
        """Return whether what waits deserves another lane."""
        return self._busy < self._lanes and (self._busy == self._slow or len(self._waiting) >= self._crowd)

    def _open(self) -> None:
        self._busy += 1
        lane = asyncio.get_running_loop().create_task(self._drain())
        self._running.add(lane)
        lane.add_done_callback(self._running.discard)

    async def _drain(self) -> None:
        """Answer batch after batch, until nothing waits or what waits can be left to another lane."""
        try:
            while (self._busy - self._slow == 1 or len(self._waiting) >= self._crowd) and (taken := self._taken()):
                await self._watched(taken)
        finally:
            self._busy -= 1

    async def _watched(self, taken: Sequence[_Waiting[A, R]]) -> None:
        """Answer a batch; while it takes long, its lane counts as slow."""
        slow = False

        def note() -> None:
            nonlocal slow
            slow = True
            self._slow += 1
            if self._waiting and self._wanted:
                self._open()

        timer = asyncio.get_running_loop().call_later(self._slow_s, note)
        try:
            await self._answer(taken)
        finally:
            timer.cancel()
            self._slow -= slow

    def _taken(self) -> list[_Waiting[A, R]]:
        """Take the next batch off the queue, without those that were turned away or whose callers are gone."""
        taken: list[_Waiting[A, R]] = []
        while self._waiting and len(taken) < self._batch:
            one = self._waiting.popleft()
            if one.patience is not None:
                one.patience.cancel()
            if not one.future.done():
                taken.append(one)
        return taken

    async def _answer(self, taken: Sequence[_Waiting[A, R]]) -> None:
        try:
            results: Sequence[R | Exception] = await self._run([one.item for one in taken])
            if len(results) != len(taken):
                raise Bug(f"{len(taken)} items in a batch, {len(results)} results")
        except Exception as error:  # noqa: BLE001  # every waiting caller gets it; none is left hanging
            results = [error] * len(taken)
        except BaseException:
            for one in taken:
                one.future.cancel()
            raise
        for one, result in zip(taken, results, strict=True):
            if one.future.done():
                continue
            if isinstance(result, Exception):
                one.future.set_exception(result)
            else:
                one.future.set_result(result)
