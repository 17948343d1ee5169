"""One price feed over HTTP, behind its own timeout, breaker and bulkhead."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import httpx
from prometheus_client import Counter

from shared.adapters.feeds.formats import FORMATS, NoPrice
from shared.adapters.resilience import Guard, Limits, Outage
from shared.prices.model import Pair, Reading
from shared.settings import FeedSettings, Misconfigured

LIMITS: Final = Limits(timeout_s=3.0, attempts=2, concurrent=4, failures=16, open_s=5.0)
MAX_BODY: Final = 256 * 1024
_NO_PRICE: Final = Counter("price_feed_nonsense_total", "Answers of a price feed without a usable price", ["feed"])


class _Busy(Exception):
    """The feed answered with a status that says: not now."""


class HttpFeed:
    """Fulfils `shared.prices.ports.Feed`. Belongs to the event loop that first uses it."""

    def __init__(self, settings: FeedSettings, limits: Limits = LIMITS) -> None:
        if settings.format not in FORMATS:
            raise Misconfigured(f"FEEDS: {settings.name} has no known format; one of {', '.join(FORMATS)}.")
        self._name = settings.name
        self._base = settings.url.rstrip("/")
        self._format = FORMATS[settings.format]
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(limits.timeout_s), trust_env=False)
        self._guard = Guard(f"feed-{settings.name}", limits, (httpx.TransportError, _Busy))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def read(self, pairs: Sequence[Pair]) -> Mapping[Pair, Reading]:
        """Return what the feed says now; a pair it refuses or talks nonsense about is missing.

        Raises Outage when it answers none of the questions.
        """
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
        async def attempt() -> bytes:
            reply = await self._client.get(self._base + path)
            if reply.status_code == 429 or reply.status_code >= 500:
                raise _Busy(f"status {reply.status_code}")
            return reply.content[:MAX_BODY] if reply.status_code == 200 else b""

        body = await self._guard.call(attempt)
        now = datetime.now(UTC)
        try:
            told = self._format.prices(body, pairs)
        except NoPrice:
            _NO_PRICE.labels(self._name).inc()
            return {}
        return {pair: Reading(self._name, answer.price, answer.at or now) for pair, answer in told.items()}
