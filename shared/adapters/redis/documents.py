"""Documents in the versioned cache: the process for two seconds, the region's Redis, then whoever builds them.

In Redis a document is a line `<version> <until, ms> <etag>` and the body. Its lifetime there is only a bound: what
says when it is out of date is `until`, and the version when an event invalidates it.

When one is out of date, one process of the region builds it anew, however many are asked for it. The others show the
old one for a moment longer, or wait for the new one where there is none, and build it themselves if it does not come.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar

from shared.adapters.kept import Kept
from shared.adapters.redis.cache import Cache, Version
from shared.kernel.clock import Clock
from shared.kernel.documents import Document
from shared.kernel.reply import Encoded

V = TypeVar("V")

GENERATION: Final = 1
KEPT_S: Final = 2.0
SIZE: Final = 2_000
LIFETIME_S: Final = 600.0
MAKING_S: Final = 1.0
"""A process that takes longer to build a document is not waited for."""
LONGER: Final = timedelta(seconds=2)
"""As long may a document be shown after its time while a new one is built."""
WAIT_S: Final = 0.5
LOOK_S: Final = 0.02
TRIES: Final = 3


class CachedDocuments(Generic[V]):
    """Documents of one kind. Fulfils `shared.kernel.documents.Documents`."""

    def __init__(
        self,
        cache: Cache,
        kind: str,
        build: Callable[[str], Awaitable[Document[V]]],
        *,
        clock: Clock,
        kept_s: float = KEPT_S,
    ) -> None:
        """`build` makes a document from the database. The cache needs no process part of its own: here is one."""
        self._cache = cache
        self._kind = kind
        self._build = build
        self._clock = clock
        self._kept = Kept(self._near, ttl_s=kept_s, size=SIZE)

    async def of(self, id: str) -> Document[V]:
        """Return the document, at most some seconds out of date. Raises what building it raises."""
        return await self._kept.get(id)

    async def invalidate(self, id: str, version: int) -> None:
        """Drop what is older than `version` in this region, and keep it from coming back."""
        self._kept.forget(id)
        await self._cache.invalidate(self._key(id), Version(GENERATION, version))

    async def warm(self, id: str, *, ahead: timedelta) -> bool:
        """Build the document anew if it is out of date, or will be before `ahead` is over; return whether it was.

        Where somebody else is building it, it is left to them.
        """
        held = await self._held(id)
        if held is not None and held.until > self._clock.now() + ahead:
            return False
        if not await self._cache.claim(self._key(id), MAKING_S):
            return False
        await self._made(id)
        return True

    async def _near(self, id: str) -> Document[V]:
        held, now = await self._held(id), self._clock.now()
        if held is not None and held.until > now:
            return held
        if await self._cache.claim(self._key(id), MAKING_S):
            return await self._made(id)
        if held is not None and held.until > now - LONGER:
            return held
        return await self._awaited(id)

    async def _held(self, id: str) -> Document[V] | None:
        held = await self._cache.get(self._key(id))
        return decoded(held) if held is not None else None

    async def _awaited(self, id: str) -> Document[V]:
        """Return the document that another process is building; build it where that one fails, or takes too long."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            await asyncio.sleep(LOOK_S)
            held = await self._held(id)
            if held is not None and held.until > self._clock.now():
                return held
            if await self._cache.claim(self._key(id), MAKING_S):
                return await self._made(id)
        return await self._built(id)

    async def _made(self, id: str) -> Document[V]:
        """Build the document, as the one who has claimed to."""
        try:
            return await self._built(id)
        finally:
            await self._cache.free(self._key(id))

    async def _built(self, id: str) -> Document[V]:
        """Build the document, keep it, and return it; anew if something newer was made known meanwhile."""
        for _ in range(TRIES):
            document = await self._build(id)
            version = Version(GENERATION, document.version)
            if await self._cache.put(self._key(id), version, encoded(document), LIFETIME_S):
                break
            newest = await self._cache.newest(self._key(id))
            if newest is None or newest <= version:
                break
        return document

    def _key(self, id: str) -> str:
        return f"{self._kind}:{id}"


def encoded(document: Document[V]) -> bytes:
    """Return a document as Redis holds it."""
    until_ms = int(document.until.timestamp() * 1000)
    return b"%d %d %b\n%b" % (document.version, until_ms, document.etag.encode(), document.body)


def decoded(held: bytes) -> Document[V]:
    """Return the document in what Redis holds."""
    head, _, body = held.partition(b"\n")
    version, until_ms, etag = head.split(b" ")
    return Document(
        version=int(version),
        etag=etag.decode(),
        body=Encoded(body),
        until=datetime.fromtimestamp(int(until_ms) / 1000, UTC),
    )
