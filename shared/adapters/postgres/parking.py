"""Where facts wait that an operation refused for good, and behind each of them the later facts of the same key."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.adapters.postgres.database import Database, Sql

KEYS: Final = Sql("select distinct key from parked where operation = :operation")
COUNTS: Final = Sql("select operation, count(*), count(distinct key) from parked group by operation order by operation")
PARK: Final = Sql(
    """
insert into parked (operation, key, event_id, topic, body, reason)
values (:operation, :key, :event_id, :topic, :body::bytea, :reason)
on conflict (operation, event_id) do nothing
"""
)
WAIT: Final = Sql(
    """
with ahead as (
  select event_id from parked where operation = :operation and key = :key order by seq limit 1 for share),
queued as (
  insert into parked (operation, key, event_id, topic, body, reason)
  select :operation, :key, :event_id, :topic, :body::bytea, 'waits behind ' || event_id from ahead
  on conflict (operation, event_id) do nothing)
select event_id from ahead
"""
)
"""The share lock settles the race with a redrive that is just removing the last one: then nothing is ahead."""
FRONT: Final = Sql(
    "select seq, event_id, topic, body, reason from parked where operation = :operation and key = :key"
    " order by seq limit 1"
)
REMOVE: Final = Sql(
    "delete from parked where operation = :operation and key = :key and seq = :seq::bigint returning seq"
)
DROP: Final = Sql(
    """
with dropped as (
  delete from parked where operation = :operation and event_id = :event_id returning operation, event_id)
insert into inbox (operation, event_id) select operation, event_id from dropped on conflict do nothing returning 1
"""
)
"""The inbox row keeps it from being delivered as missing."""
NOTE: Final = Sql(
    "update parked set reason = :reason where operation = :operation and key = :key and seq = :seq::bigint"
)


@dataclass(frozen=True, slots=True)
class Parked:
    """A fact that waits."""

    seq: int
    event_id: str
    topic: str
    body: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class ParkedCount:
    """How many facts, of how many keys, an operation has parked."""

    operation: str
    facts: int
    keys: int


class Parking:
    """The table of parked facts. Every method raises Transient when the database does not answer."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def keys(self, operation: str) -> set[str]:
        """Return the keys of which something is parked."""
        return {str(key) for (key,) in await self._db.run(KEYS, operation=operation)}

    async def counts(self) -> Sequence[ParkedCount]:
        """Return what every operation has parked."""
        return [ParkedCount(*row) for row in await self._db.run(COUNTS)]

    async def park(self, operation: str, key: str, event_id: str, topic: str, body: bytes, reason: str) -> None:
        """Park a fact that was refused; once, however often it is delivered."""
        await self._db.run(PARK, operation=operation, key=key, event_id=event_id, topic=topic, body=body, reason=reason)

    async def wait(self, operation: str, key: str, event_id: str, topic: str, body: bytes) -> bool:
        """Queue a fact behind what is parked of its key; return False when nothing is, and it may be delivered."""
        ahead = await self._db.run(WAIT, operation=operation, key=key, event_id=event_id, topic=topic, body=body)
        return bool(ahead)

    async def front(self, operation: str, key: str) -> Parked | None:
        """Return the fact that has to be delivered first, or None when nothing is parked any more."""
        rows = await self._db.run(FRONT, operation=operation, key=key)
        return Parked(*rows[0]) if rows else None

    async def remove(self, operation: str, key: str, seq: int) -> None:
        """Take out a fact that was delivered."""
        await self._db.run(REMOVE, operation=operation, key=key, seq=seq)

    async def drop(self, operation: str, event_id: str) -> bool:
        """Give a fact up, so that those behind it can go on; it stays in the dead-letter topic. False: not parked."""
        return bool(await self._db.run(DROP, operation=operation, event_id=event_id))

    async def note(self, operation: str, key: str, seq: int, reason: str) -> None:
        """Say why a fact was refused this time."""
        await self._db.run(NOTE, operation=operation, key=key, seq=seq, reason=reason)
