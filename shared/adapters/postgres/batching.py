"""Group commit: concurrent requests of one instance share a statement and a commit.

While a batch is under way the next one gathers, so a lone request waits for nobody and a crowd shares round trips and
WAL flushes. `batch` says how many share one statement, `lanes` how many statements are under way at once.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")


class Grouped(Generic[A, R]):
    """Calls `run` with up to `batch` items at once; each caller gets its own item's result or exception."""

    def __init__(
        self, run: Callable[[Sequence[A]], Awaitable[Sequence[R | Exception]]], *, batch: int, lanes: int
    ) -> None:
        """`run` returns one result or exception per item, in order; what it raises goes to every caller."""
        self._run = run
        self._batch = batch
        self._lanes = lanes
        self._busy = 0
        self._waiting: deque[tuple[A, asyncio.Future[R]]] = deque()

    async def submit(self, item: A) -> R:
        """Return the item's result, once the batch it went with is committed."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._busy < self._lanes:
            self._busy += 1
            lane = asyncio.ensure_future(self._drain())
            future.add_done_callback(lambda _: lane)  # a running lane stays referenced
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                taken = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
                await self._answer(taken)
        finally:
            self._busy -= 1

    async def _answer(self, taken: Sequence[tuple[A, "asyncio.Future[R]"]]) -> None:
        try:
            results: Sequence[R | Exception] = await self._run([item for item, _ in taken])
        except Exception as error:  # noqa: BLE001  # every waiting caller gets it; none is left hanging
            results = [error] * len(taken)
        for (_, future), result in zip(taken, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
