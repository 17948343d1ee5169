"""One price feed over HTTP, behind its own timeout, breaker and bulkhead."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
from prometheus_client import Counter

from shared.adapters.feeds.formats import FORMATS
from shared.adapters.feeds.reading import NoPrice
from shared.adapters.resilience import Guard, Limits, Outage
from shared.prices.model import Pair, Reading
from shared.settings import FeedSettings, Misconfigured

LIMITS: Final = Limits(timeout_s=3.0, attempts=2, concurrent=4, failures=16, open_s=5.0)
MAX_BODY: Final = 256 * 1024
QUIET_S: Final = (10.0, 300.0)
"""A feed that says "too many requests" is left alone as long as it asks for, in these bounds; the first if it says
nothing."""
NO_PRICE: Final = Counter("price_feed_nonsense_total", "Answers of a price feed without a usable price", ["feed"])


class _Busy(Exception):
    """The feed answered with a status that says: not now."""


class _TooMany(Exception):
    """The feed answered that it is asked too often. Asking again at once would make it worse."""

    def __init__(self, pause_s: float) -> None:
        super().__init__(pause_s)
        self.pause_s = pause_s


class HttpFeed:
    """Fulfils `shared.prices.ports.Feed`. Belongs to the event loop that first uses it."""

    def __init__(
        self, settings: FeedSettings, limits: Limits = LIMITS, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if settings.format not in FORMATS:
            raise Misconfigured(f"FEEDS: {settings.name} has no known format; one of {', '.join(FORMATS)}, chainlink.")
        self._name = settings.name
        self._base = settings.url.rstrip("/")
        self._format = FORMATS[settings.format]
        self._fresh_for = self._format.fresh_for
        if settings.stale_s is not None:
            self._fresh_for = timedelta(seconds=settings.stale_s)
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(limits.timeout_s), trust_env=False)
        self._guard = Guard(f"feed-{settings.name}", limits, (httpx.RequestError, _Busy))
        self._clock = clock
        self._quiet_until = 0.0

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def read(self, pairs: Sequence[Pair]) -> Mapping[Pair, Reading]:
        """Return what the feed says now; a pair it refuses or talks nonsense about is missing.

        Raises Outage when it answers none of the questions, or wants to be left alone.
        """
        if self._clock() < self._quiet_until:
            raise Outage(f"{self._name} asked to be left alone for a while.")
        questions = self._format.questions(pairs)
        answers = await asyncio.gather(
            *(self._ask(path, about) for path, about in questions.items()), return_exceptions=True
        )
        readings: dict[Pair, Reading] = {}
        outage: Outage | None = None
        for answer in answers:
            if isinstance(answer, Outage):
                outage = answer
            elif isinstance(answer, BaseException):
                raise answer
            else:
                readings |= answer
        if outage is not None and not readings:
            raise outage
        return readings

    async def _ask(self, path: str, pairs: Sequence[Pair]) -> dict[Pair, Reading]:
        async def attempt() -> bytes | None:
            async with self._client.stream("GET", self._base + path) as reply:
                if reply.status_code in (418, 429):  # Binance says 418 to whom it has told 429 too often
                    raise _TooMany(_pause_s(reply.headers.get("retry-after", "")))
                if reply.status_code >= 500:
                    raise _Busy(f"status {reply.status_code}")
                return await _bounded(reply) if reply.status_code == 200 else None

        try:
            body = await self._guard.call(attempt)
        except _TooMany as refused:
            self._quiet_until = max(self._quiet_until, self._clock() + refused.pause_s)
            raise Outage(f"{self._name} is asked too often.") from refused
        now = datetime.now(UTC)
        if body is None:  # the pair is not traded there
            return {}
        try:
            told = self._format.prices(body, pairs)
        except NoPrice:
            NO_PRICE.labels(self._name).inc()
            return {}
        return {
            pair: Reading(self._name, answer.price, answer.at or now, self._fresh_for) for pair, answer in told.items()
        }


async def _bounded(reply: httpx.Response) -> bytes:
    """Return the body as far as it is looked at, however much of it there is and however small it was packed."""
    body = bytearray()
    async for part in reply.aiter_bytes():
        body += part
        if len(body) > MAX_BODY:
            break
    return bytes(body[:MAX_BODY])


def _pause_s(said: str) -> float:
    """Return how long to leave a feed alone that says so in seconds, or says nothing that can be understood."""
    shortest, longest = QUIET_S
    asked = float(said) if said.isascii() and said.isdigit() and len(said) < 10 else shortest
    return min(max(asked, shortest), longest)
