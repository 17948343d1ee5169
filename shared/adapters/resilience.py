"""Timeout, jittered retries, circuit breaker and bulkhead around every call that leaves the process. One place.

    guard = Guard("rpc", Limits(timeout_s=2, attempts=3, concurrent=16), outages=(httpx.TransportError,))
    height = await guard.call(lambda: node.block_height())

Whatever counts as an outage, a timeout, a full bulkhead or an open breaker raises `Outage`; every other exception
passes through untouched, because the other side did answer.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from prometheus_client import Counter, Gauge, Histogram

from shared.kernel.errors import Transient

T = TypeVar("T")

CALLS: Final = Counter("outside_calls_total", "Calls that left the process", ["target", "outcome"])
SECONDS: Final = Histogram(
    "outside_call_seconds",
    "How long one attempt of an outside call took",
    ["target"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
OPEN: Final = Gauge("outside_breaker_open", "1 while calls to the target are refused without trying", ["target"])


class Outage(Transient):
    """The other side did not answer in time, or is not even asked for a while."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a caller is."""

    timeout_s: float
    """Of one attempt, waiting for a place in the bulkhead included."""
    attempts: int = 1
    first_pause_s: float = 0.05
    """Doubles from attempt to attempt; each pause is a random part of it (full jitter)."""
    longest_pause_s: float = 2.0
    concurrent: int = 64
    failures: int = 5
    """As many failed attempts in a row open the breaker."""
    open_s: float = 1.0
    """How long an open breaker refuses before it lets one call try."""


class Breaker:
    """Counts failures in a row; open, it refuses, until one trial call succeeds."""

    def __init__(self, failures: int, open_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._failures = failures
        self._open_s = open_s
        self._clock = clock
        self._in_a_row = 0
        self._shut_until: float | None = None

    @property
    def open(self) -> bool:
        """Return whether calls are refused, or were until the trial that may be running now."""
        return self._shut_until is not None

    def admits(self) -> bool:
        """Return whether a call may try; an open breaker lets one through each time its pause is over."""
        if self._shut_until is None:
            return True
        if self._clock() < self._shut_until:
            return False
        self._shut()
        return True

    def succeeded(self) -> None:
        """The other side answered."""
        self._in_a_row = 0
        self._shut_until = None

    def failed(self) -> None:
        """The other side did not answer."""
        self._in_a_row += 1
        if self._in_a_row >= self._failures:
            self._shut()

    def _shut(self) -> None:
        self._shut_until = self._clock() + self._open_s * random.uniform(0.8, 1.2)


def pause_s(attempt: int, *, first_s: float, longest_s: float) -> float:
    """Return how long to wait after the failed `attempt` (1, 2, …): random, the bound doubling from `first_s`."""
    bound = min(longest_s, first_s * 2 ** min(attempt - 1, 30))
    return random.uniform(bound / 4, bound)


class Guard:
    """All calls to one target share it, and with it one breaker and one bulkhead."""

    def __init__(self, target: str, limits: Limits, outages: tuple[type[Exception], ...] = (OSError,)) -> None:
        self.target = target
        self._limits = limits
        self._outages: tuple[type[Exception], ...] = (*outages, TimeoutError)
        self._breaker = Breaker(limits.failures, limits.open_s)
        self._places = asyncio.Semaphore(limits.concurrent)
        self._seconds = SECONDS.labels(target)
        self._ok = CALLS.labels(target, "ok")
        self._refused = CALLS.labels(target, "refused")
        self._failed = CALLS.labels(target, "failed")
        self._open = OPEN.labels(target)

    @property
    def open(self) -> bool:
        """Return whether the target counts as down at the moment."""
        return self._breaker.open

    async def call(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt()` returns, tried again as the limits allow. Raises Outage.

        Only what may be repeated is given more than one attempt: a read, or a write that says its own key.
        """
        for number in range(1, self._limits.attempts + 1):
            if not self._breaker.admits():
                self._refused.inc()
                raise Outage(f"{self.target} is not answering at the moment.")
            try:
                return await self._once(attempt)
            except self._outages as error:
                self._note_failure()
                if number == self._limits.attempts:
                    raise Outage(f"{self.target} did not answer.") from error
            await asyncio.sleep(
                pause_s(number, first_s=self._limits.first_pause_s, longest_s=self._limits.longest_pause_s)
            )
        raise Outage(f"{self.target} may not be asked: no attempts are allowed.")

    async def _once(self, attempt: Callable[[], Awaitable[T]]) -> T:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._limits.timeout_s), self._places:
                result = await attempt()
        except self._outages:
            raise
        except Exception:
            self._note_answer(started)  # a refusal is an answer
            raise
        self._note_answer(started)
        return result

    def _note_answer(self, started: float) -> None:
        self._seconds.observe(time.perf_counter() - started)
        self._ok.inc()
        if self._breaker.open:
            self._open.set(0)
        self._breaker.succeeded()

    def _note_failure(self) -> None:
        self._failed.inc()
        self._breaker.failed()
        if self._breaker.open:
            self._open.set(1)
