"""The versioned cache as a dict: what unit tests of a service use instead of Redis."""

import time
from collections.abc import Callable

from shared.adapters.redis.cache import Version


class MemoryCache:
    """Keeps the newest value or tombstone of each key until it expires."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, tuple[float, Version, bytes | None]] = {}
        self._claimed: dict[str, float] = {}

    async def get(self, key: str, at_least: Version | None = None) -> bytes | None:
        held = self._fresh(key)
        if held is None or (at_least is not None and held[0] < at_least):
            return None
        return held[1]

    async def put(self, key: str, version: Version, body: bytes, ttl_s: float) -> bool:
        held = self._fresh(key)
        if held is not None and version < held[0]:
            return False
        self._held[key] = (self._clock() + ttl_s, version, body)
        return True

    async def invalidate(self, key: str, version: Version) -> None:
        held = self._fresh(key)
        if held is None or held[0] < version:
            self._held[key] = (self._clock() + 600, version, None)

    async def newest(self, key: str) -> Version | None:
        held = self._fresh(key)
        return held[0] if held is not None else None

    async def claim(self, key: str, seconds: float) -> bool:
        if self._claimed.get(key, 0.0) > self._clock():
            return False
        self._claimed[key] = self._clock() + seconds
        return True

    async def free(self, key: str) -> None:
        self._claimed.pop(key, None)

    def _fresh(self, key: str) -> tuple[Version, bytes | None] | None:
        expires, version, body = self._held.get(key, (0.0, Version(0, 0), None))
        return (version, body) if expires > self._clock() else None
