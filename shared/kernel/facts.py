"""Facts: what happened, published and versioned; recorded once, in a hash chain per stream.

A fact's schema only ever grows by optional fields; anything else is a new version (`order.placed.v2`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import ClassVar, Final

import msgspec

from shared.kernel.clock import rfc3339
from shared.kernel.errors import Bug
from shared.kernel.ids import EventId, MerchantId
from shared.kernel.money import Frozen

GENESIS: Final = bytes(32)
"""The `prev_hash` of the first event of every stream."""

_TYPES: dict[str, type["Fact"]] = {}


class Fact(Frozen):
    """Base of every published fact. `type` is `<prefix>.<past tense>.v<n>`; the prefix names the topic."""

    type: ClassVar[str]

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)  # type: ignore[arg-type]  # pydantic's own keywords pass through
        known = _TYPES.setdefault(cls.type, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise Bug(f"two facts call themselves {cls.type}")

    @property
    def canonical(self) -> bytes:
        """Return the body as it is stored and hashed: UTF-8 JSON, keys sorted, no blanks, units as strings."""
        return msgspec.json.encode(self.model_dump(mode="json", exclude_none=True), order="sorted")


def fact_of(type_: str, body: bytes) -> Fact:
    """Return the fact that `body` (canonical JSON) says. Raises Bug for a type nobody declared."""
    known = _TYPES.get(type_)
    if known is None:
        raise Bug(f"no fact type {type_} is loaded")
    return known.model_validate_json(body)


def declared() -> dict[str, type[Fact]]:
    """Return every fact type loaded so far, by type."""
    return dict(_TYPES)


def topic_of(type_: str) -> str:
    """Return the Kafka topic of a fact type: 'order.placed.v1' → 'order-events'."""
    return f"{type_.partition('.')[0]}-events"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A fact with its place in a stream and its cause: one row of `events`."""

    id: EventId
    stream: str
    version: int
    type: str
    body: bytes
    prev_hash: bytes
    hash: bytes
    merchant_id: MerchantId
    region: str
    actor: str
    correlation: str
    causation: str | None
    at: datetime


def chain_hash(prev_hash: bytes, *, id: str, stream: str, version: int, type: str, body: bytes, at: datetime) -> bytes:
    """Return the 32-byte SHA-256 that binds an event to everything before it in its stream.

    The digest covers prev_hash, then each of id, stream, version, type and time (RFC 3339, Z) ended by a line feed,
    then the body as stored. A third party recomputes it with nothing but this sentence.
    """
    head = f"{id}\n{stream}\n{version}\n{type}\n{rfc3339(at)}\n".encode()
    return sha256(prev_hash + head + body).digest()


def broken_at(events: Iterable[Recorded]) -> int | None:
    """Return the version of the first event that does not follow from its predecessor, or None when all do.

    All of them must belong to one stream, and begin with its first.
    """
    prev, expected, stream = GENESIS, 1, None
    for event in events:
        stream = stream or event.stream
        same = chain_hash(
            prev,
            id=event.id,
            stream=event.stream,
            version=event.version,
            type=event.type,
            body=event.body,
            at=event.at,
        )
        if (event.stream, event.version, event.prev_hash, event.hash) != (stream, expected, prev, same):
            return event.version
        prev, expected = event.hash, expected + 1
    return None
