"""`python -m triggers.ticker`: call every scheduled function once a period, as the cloud's scheduler does.

A function is never called while its previous call still runs. One that fails is logged and called again next period.
"""

import asyncio
import functools
import random
import sys
import time
from collections.abc import Sequence
from typing import Final, Protocol

import structlog
from prometheus_client import Counter, Gauge, Histogram

from shared.settings import FunctionUrlSettings
from triggers import worker
from triggers.calling import Caller, Done, Outcome
from triggers.delivery import set_within
from triggers.registry import Entry, load

CALL_TIMEOUT_S: Final = 180.0
"""As long as the cloud's scheduler waits for an answer."""
LONGEST_FIRST_WAIT_S: Final = 5.0
DRAIN_S: Final = 8.0

TICKS: Final = Counter("schedule_calls_total", "Calls of scheduled functions", ["operation", "outcome"])
TICK_S: Final = Histogram(
    "schedule_call_seconds",
    "How long a scheduled function took",
    ["operation"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 180),
)
LAST_DONE: Final = Gauge("schedule_last_success_timestamp_seconds", "When it last succeeded", ["operation"])


class Functions(Protocol):
    """What is called."""

    async def tick(self, operation: str) -> Outcome:
        """Call a scheduled function and wait for its answer."""
        ...


class Ticker:
    """The schedules of a registry."""

    def __init__(
        self,
        entries: Sequence[Entry],
        functions: Functions,
        *,
        longest_first_wait_s: float = LONGEST_FIRST_WAIT_S,
    ) -> None:
        """The first calls are spread over `longest_first_wait_s` at most, so that they don't come all at once."""
        self._entries = entries
        self._functions = functions
        self._longest_first_wait_s = longest_first_wait_s
        self._log = structlog.get_logger("ticker")

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until `stop` is set; calls that run then get some seconds to end."""
        self._log.info("ticking", operations=[entry.operation for entry in self._entries])
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._repeat(entry, stop)) for entry in self._entries]
            await stop.wait()
            _, late = await asyncio.wait(running, timeout=DRAIN_S) if running else ((), ())
            for task in late:
                task.cancel()

    async def _repeat(self, entry: Entry, stop: asyncio.Event) -> None:
        due = time.monotonic() + random.uniform(0, min(entry.every_s, self._longest_first_wait_s))
        while not await set_within(stop, due - time.monotonic()):
            await self._call(entry.operation)
            # A call that outlasted its period is not made up for: the next comes at the next full period.
            late_s = time.monotonic() - due
            due += entry.every_s * (int(late_s // entry.every_s) + 1)

    async def _call(self, operation: str) -> None:
        started = time.monotonic()
        outcome = await self._functions.tick(operation)
        seconds = time.monotonic() - started
        TICKS.labels(operation, type(outcome).__name__.lower()).inc()
        TICK_S.labels(operation).observe(seconds)
        if isinstance(outcome, Done):
            LAST_DONE.labels(operation).set_to_current_time()
        else:
            self._log.error("call failed", operation=operation, reason=outcome.reason, seconds=round(seconds, 3))


async def _run() -> None:
    from shared.edge.identity import mint_service_token

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    worker.on_stop(lambda: loop.call_soon_threadsafe(stop.set))
    url, token = FunctionUrlSettings.from_env(), functools.partial(mint_service_token, "scheduler")
    caller = Caller(url.of, token, timeout_s=CALL_TIMEOUT_S)
    try:
        await Ticker(load().schedules(), caller).run(stop)
    finally:
        await caller.close()


def _main() -> None:
    asyncio.run(_run())


if __name__ == "__main__":
    sys.exit(worker.run(_main))
