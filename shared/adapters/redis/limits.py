"""Rate limits that protect the platform, not money: they fail open. The two that must hold live in Postgres."""

from dataclasses import dataclass
from typing import Final

import redis.asyncio
from prometheus_client import Counter

from shared.adapters.redis.client import answer, guard
from shared.adapters.redis.scripts import TAKE
from shared.adapters.resilience import Outage
from shared.settings import RedisSettings

_FAILED_OPEN: Final = Counter("rate_limit_failed_open_total", "Calls let through because Redis did not answer")
_REFUSED: Final = Counter("rate_limit_refused_total", "Calls refused by a rate limit", ["limit"])


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls a period, evenly refilled; `burst` of them may come at once."""

    name: str
    calls: int
    period_s: float
    burst: int


class RedisLimits:
    """One bucket per limit and caller."""

    def __init__(self, client: redis.asyncio.Redis, settings: RedisSettings) -> None:
        self._guard = guard(settings, "redis-limits")
        self._take = client.register_script(TAKE)

    async def take(self, rate: Rate, caller: str) -> float | None:
        """Return None when the call may go on, else the seconds after which another try makes sense."""
        interval_ms = rate.period_s * 1000 / rate.calls
        keys, arguments = [f"limit:{rate.name}:{caller}"], [interval_ms, rate.burst]
        try:
            wait_ms = await self._guard.call(lambda: answer(self._take(keys=keys, args=arguments)))
        except Outage:
            _FAILED_OPEN.inc()
            return None
        if not isinstance(wait_ms, int) or wait_ms == 0:
            return None
        _REFUSED.labels(rate.name).inc()
        return wait_ms / 1000
