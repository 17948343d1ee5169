"""Rate limits that answer at once: each process counts for itself and settles with its region now and then.

A caller takes a lease of some calls at a time; only every such lease is asked of the region's store, beside the call
and not in its way. So a process may let a lease too many through, and a store that is down lets all of them through:
these limits keep floods away. The limits that must hold (sign-in, redeem) are in the operations' own statements.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

LEASES_PER_MINUTE: Final = 50
WINDOW_S: Final = 60.0
MAX_CALLERS: Final = 10_000

Settle = Callable[[str, str, int], Awaitable[float | None]]
"""(caller, operation, leases a minute) → None, or the seconds to wait."""


class _Count:
    __slots__ = ("calls", "refused_until", "window_end")

    def __init__(self, window_end: float) -> None:
        self.calls = 0
        self.window_end = window_end
        self.refused_until = 0.0


class Limits:
    """So many calls a minute for each caller and operation."""

    def __init__(
        self, per_minute: int, settle: Settle | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`settle` asks the region's store; None counts in this process alone."""
        self._per_minute = per_minute
        self._lease = max(1, per_minute // LEASES_PER_MINUTE)
        self._leases_per_minute = max(1, per_minute // self._lease)
        self._settle, self._clock = settle, clock
        self._counts: OrderedDict[tuple[str, str], _Count] = OrderedDict()
        self._settling: set[asyncio.Task[None]] = set()

    def allow(self, caller: str, operation: str) -> int | None:
        """Count a call; return None, or after how many whole seconds another try makes sense."""
        if not self._per_minute:
            return None
        now, key = self._clock(), (caller, operation)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count(now + WINDOW_S)
            if len(self._counts) > MAX_CALLERS:
                self._counts.popitem(last=False)
        elif count.window_end <= now:
            count.calls, count.window_end = 0, now + WINDOW_S
        if count.refused_until > now:
            return math.ceil(count.refused_until - now)
        if count.calls >= self._per_minute:
            return math.ceil(count.window_end - now)
        count.calls += 1
        if self._settle is not None and count.calls % self._lease == 0:
            task = asyncio.get_running_loop().create_task(self._ask(self._settle, key, count))
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)
        return None

    async def _ask(self, settle: Settle, key: tuple[str, str], count: _Count) -> None:
        wait_s = await settle(*key, self._leases_per_minute)
        if wait_s is not None:
            count.refused_until = self._clock() + wait_s
