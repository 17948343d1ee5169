"""Cache-aside with versions: the process for seconds, the region's Redis for longer, then whatever the caller loads.

A value carries the (generation, version) of the state it shows. What is older than the value or tombstone that is
held never gets in, so a slow refill can't bring an old value back after an event invalidated it.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import redis.asyncio
from prometheus_client import Counter

from shared.adapters.redis.client import answer, guard
from shared.adapters.redis.scripts import HEADER, INVALIDATE, PUT
from shared.adapters.resilience import Outage
from shared.settings import RedisSettings

_VALUE: Final = b"v"
_TOMBSTONE: Final = b"t"
_READS: Final = Counter("cache_reads_total", "Reads of the versioned cache", ["answer"])


class Version(NamedTuple):
    """How new a state is. After a promotion the database repeats numbers, so the generation goes first."""

    generation: int
    number: int


@dataclass(frozen=True, slots=True)
class Versioned:
    """Encoded bytes with the version of the state they show."""

    version: Version
    body: bytes


class Cache(Protocol):
    """A versioned cache. No method ever fails because the cache is down: a read misses, a write is lost."""

    async def get(self, key: str, at_least: Version | None = None) -> bytes | None:
        """Return the value, or None where there is none, or none as new as `at_least`."""
        ...

    async def put(self, key: str, version: Version, body: bytes, ttl_s: float) -> bool:
        """Keep the value unless something newer is held; return whether it was kept."""
        ...

    async def invalidate(self, key: str, version: Version) -> None:
        """Drop what is older than `version`, and keep it from coming back."""
        ...

    async def newest(self, key: str) -> Version | None:
        """Return the version of the value or tombstone that is held, or None where nothing is."""
        ...

    async def claim(self, key: str, seconds: float) -> bool:
        """Return whether the caller is the one who makes the value anew; nobody else is for so long, or until freed."""
        ...

    async def free(self, key: str) -> None:
        """Let somebody else claim it."""
        ...


def encoded(version: Version, kind: bytes, body: bytes = b"") -> bytes:
    """Return a value or tombstone as Redis holds it."""
    return b"%010d%016d%b\n%b" % (version.generation, version.number, kind, body)


def decoded(held: bytes) -> Versioned | None:
    """Return the value in what Redis holds, or None for a tombstone."""
    if held[26:27] != _VALUE:
        return None
    return Versioned(Version(int(held[:10]), int(held[10:26])), held[HEADER:])


def _claim(key: str) -> str:
    return f"{key}:making"


class Nearby:
    """The process's own few seconds of the most used values; bounded by count."""

    def __init__(self, *, seconds: float, entries: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._entries = entries
        self._clock = clock
        self._held: OrderedDict[str, tuple[float, Versioned]] = OrderedDict()

    def get(self, key: str) -> Versioned | None:
        """Return a value that was put within the last seconds."""
        held = self._held.get(key)
        if held is None or held[0] < self._clock():
            return None
        return held[1]

    def put(self, key: str, value: Versioned) -> None:
        """Keep the value, unless a newer one is held, and let the oldest go when there are too many."""
        held = self.get(key)
        if held is not None and held.version > value.version:
            return
        self._held[key] = (self._clock() + self._seconds, value)
        self._held.move_to_end(key)
        if len(self._held) > self._entries:
            self._held.popitem(last=False)

    def drop(self, key: str, version: Version) -> None:
        """Forget the value if it is older than `version`."""
        held = self._held.get(key)
        if held is not None and held[1].version < version:
            del self._held[key]


class RedisCache:
    """The cache over the region's Redis."""

    TOMBSTONE_S: Final = 600.0
    """Longer than any refill can take from its read to its put."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        settings: RedisSettings,
        *,
        nearby_s: float = 2.0,
        nearby_entries: int = 1000,
    ) -> None:
        self._client = client
        self._guard = guard(settings, "redis-cache")
        self._nearby = Nearby(seconds=nearby_s, entries=nearby_entries)
        self._put = client.register_script(PUT)
        self._invalidate = client.register_script(INVALIDATE)
        self._loading: dict[str, asyncio.Future[bytes]] = {}

    async def get(self, key: str, at_least: Version | None = None) -> bytes | None:
        """Return the value, or None where there is none, or none as new as `at_least`."""
        held = self._nearby.get(key)
        if held is not None and (at_least is None or held.version >= at_least):
            _READS.labels("nearby").inc()
            return held.body
        found = await self._fetch(key)
        if found is None or (at_least is not None and found.version < at_least):
            _READS.labels("miss").inc()
            return None
        _READS.labels("redis").inc()
        self._nearby.put(key, found)
        return found.body

    async def put(self, key: str, version: Version, body: bytes, ttl_s: float) -> bool:
        """Keep the value unless something newer is held; return whether it was kept."""
        stored = encoded(version, _VALUE, body)
        kept = await self._run(self._put, key, version, stored, ttl_s)
        if kept:
            self._nearby.put(key, Versioned(version, body))
        return kept

    async def invalidate(self, key: str, version: Version) -> None:
        """Drop what is older than `version`, and keep it from coming back."""
        self._nearby.drop(key, version)
        await self._run(self._invalidate, key, version, encoded(version, _TOMBSTONE), self.TOMBSTONE_S)

    async def newest(self, key: str) -> Version | None:
        """Return the version of the value or tombstone that is held, or None where nothing is."""
        try:
            held = await self._guard.call(lambda: answer(self._client.getrange(key, 0, HEADER - 1)))
        except Outage:
            return None
        return Version(int(held[:10]), int(held[10:26])) if isinstance(held, bytes) and len(held) == HEADER else None

    async def claim(self, key: str, seconds: float) -> bool:
        """Return whether the caller is the one who makes the value anew: everybody is, while Redis is down."""
        lifetime_ms = max(1, int(seconds * 1000))
        try:
            return bool(
                await self._guard.call(lambda: answer(self._client.set(_claim(key), b"", nx=True, px=lifetime_ms)))
            )
        except Outage:
            return True

    async def free(self, key: str) -> None:
        """Let somebody else claim it."""
        with suppress(Outage):  # then the claim ends by itself
            await self._guard.call(lambda: answer(self._client.delete(_claim(key))))

    async def through(self, key: str, load: Callable[[], Awaitable[Versioned]], ttl_s: float) -> bytes:
        """Return the value, loaded and put where it is missing; concurrent callers of a key share one load."""
        held = await self.get(key)
        if held is not None:
            return held
        running = self._loading.get(key)
        if running is None:
            running = self._loading[key] = asyncio.ensure_future(self._load(key, load, ttl_s))
            running.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(running)

    async def _load(self, key: str, load: Callable[[], Awaitable[Versioned]], ttl_s: float) -> bytes:
        value = await load()
        await self.put(key, value.version, value.body, ttl_s)
        return value.body

    async def _fetch(self, key: str) -> Versioned | None:
        try:
            held = await self._guard.call(lambda: answer(self._client.get(key)))
        except Outage:
            return None
        return decoded(held) if isinstance(held, bytes) else None

    async def _run(
        self, script: redis.commands.core.AsyncScript, key: str, version: Version, stored: bytes, ttl_s: float
    ) -> bool:
        arguments: list[bytes | int] = [version.generation, version.number, stored, max(1, int(ttl_s * 1000))]
        try:
            return bool(await self._guard.call(lambda: answer(script(keys=[key], args=arguments))))
        except Outage:
            return False
