"""Documents in the versioned cache: the process for two seconds, the region's Redis, then whoever builds them.

In Redis a document is a line `<version> <until, ms> <etag>` and the body. Its lifetime there is only a bound: what
says when it is out of date is `until`, and the version when an event invalidates it.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
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

    async def _near(self, id: str) -> Document[V]:
        held = await self._cache.get(self._key(id))
        if held is not None:
            document: Document[V] = decoded(held)
            if document.until > self._clock.now():
                return document
        document = await self._build(id)
        await self._cache.put(self._key(id), Version(GENERATION, document.version), encoded(document), LIFETIME_S)
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
