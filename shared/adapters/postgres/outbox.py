"""The outbox's way out: what waits, what one relay takes under its lease, and what never arrived and goes out again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.adapters.postgres.database import Connection, Database, Row, Sql
from shared.adapters.postgres.leases import Lease
from shared.kernel.encoding import to_json
from shared.kernel.envelope import WORK_TOPIC, envelope
from shared.kernel.errors import Fenced
from shared.kernel.facts import Recorded, topic_of
from shared.kernel.ids import EventId, MerchantId

OLDEST: Final = Sql(
    f"""
select extract(epoch from clock_timestamp() - at)::float8 from outbox
 where region = :region and starts_with(topic, '{WORK_TOPIC}') = :work::boolean
 order by seq limit 1
"""
)
TAKE: Final = Sql(
    f"""
with held as (
  update leases set expires_at = clock_timestamp() + make_interval(secs => :ttl_s::float8)
   where name = :name and owner = :owner and generation = :generation::bigint and epoch = :epoch::bigint
  returning 1),
taken as (
  delete from outbox where seq in (
      select seq from outbox
       where region = :region and starts_with(topic, '{WORK_TOPIC}') = :work::boolean
       order by seq limit :most::bigint)
    and exists (select from held)
  returning seq, event_id, topic, key, body, traceparent)
select seq, event_id, topic, key, body, traceparent from held left join taken on true order by seq
"""
)
"""No row at all: the lease is over. One row of nulls: nothing waits."""

MISSED: Final = Sql(
    """
with subscribed as (
  select operation, type from unnest(:operations::text[], :types::text[]) as s(operation, type))
select e.id, e.stream, e.version, e.type, e.body, e.prev_hash, e.hash, e.merchant_id, e.region, e.actor,
       e.correlation, e.causation, e.at
  from events e
 where e.type = any(:types::text[])
   and e.region = :region
   and e.at < clock_timestamp() - make_interval(secs => :older_than_s::float8)
   and e.at > clock_timestamp() - make_interval(secs => :younger_than_s::float8)
   and exists (
     select from subscribed s
      where s.type = e.type
        and not exists (select from inbox i where i.operation = s.operation and i.event_id = e.id)
        and not exists (select from parked p where p.operation = s.operation and p.event_id = e.id))
   and not exists (select from outbox o where o.event_id = e.id)
 order by e.at, e.stream, e.version
 limit :most::bigint
"""
)
PUT_BACK: Final = Sql(
    """
insert into outbox (event_id, topic, key, region, body)
select event_id, topic, key, region, convert_to(body, 'UTF8')
  from jsonb_to_recordset(:rows::jsonb) as r(n int, event_id text, topic text, key text, region text, body text)
 where not exists (select from outbox o where o.event_id = r.event_id)
 order by n
returning seq
"""
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A row of the outbox on its way."""

    seq: int
    event_id: str
    topic: str
    key: str
    body: bytes
    traceparent: str | None

    @property
    def work_topic(self) -> str:
        """Return the Pub/Sub topic of a row that is work."""
        return self.topic.removeprefix(WORK_TOPIC)


def oldest_s(connection: Connection, *, region: str, work: bool) -> float | None:
    """Return how long the first waiting row has waited, in seconds, or None when nothing waits."""
    rows = connection.run(OLDEST, {"region": region, "work": work})
    return float(rows[0][0]) if rows else None


def take(
    connection: Connection, lease: Lease, *, region: str, work: bool, most: int, ttl_s: float
) -> Sequence[Outgoing]:
    """Delete up to `most` rows, oldest first, and return them; renews the lease in the same statement.

    Runs inside the caller's transaction: the rows are gone when that commits. Raises Fenced when the lease is over.
    """
    rows = connection.run(TAKE, {**lease.params, "region": region, "work": work, "most": most, "ttl_s": ttl_s})
    if not rows:
        raise Fenced(f"{lease.name} is held by another worker")
    return [Outgoing(seq, event_id, topic, key, body, trace) for seq, event_id, topic, key, body, trace in _real(rows)]


def _real(rows: Sequence[Row]) -> Sequence[Row]:
    return [] if rows[0][0] is None else rows


@dataclass(frozen=True, slots=True)
class Subscription:
    """An operation and a fact type it is called with."""

    operation: str
    type: str


async def redeliver(
    db: Database,
    subscriptions: Iterable[Subscription],
    *,
    region: str,
    older_than: timedelta = timedelta(minutes=2),
    younger_than: timedelta = timedelta(days=14),
    most: int = 500,
) -> int:
    """Put back into the outbox what some subscribed operation has not taken; return how many events.

    Whatever Kafka lost comes again this way, to every subscriber: the inbox makes that harmless. Parked events are
    left alone. An operation that keeps no inbox row must not be among the subscriptions: it would never be content.
    """
    subscribed = list(subscriptions)
    if not subscribed:
        return 0
    rows = await db.run(
        MISSED,
        operations=[one.operation for one in subscribed],
        types=[one.type for one in subscribed],
        region=region,
        older_than_s=older_than.total_seconds(),
        younger_than_s=younger_than.total_seconds(),
        most=most,
    )
    if not rows:
        return 0
    waiting = [_waiting(number, recorded(row)) for number, row in enumerate(rows)]
    return len(await db.run(PUT_BACK, rows=to_json(waiting)))


def recorded(row: Row) -> Recorded:
    """Return a row of `events`, its columns in the order of `MISSED`, as the fact it records."""
    id_, stream, version, type_, body, prev_hash, hash_, merchant, region, actor, correlation, causation, at = row
    return Recorded(
        id=EventId(id_),
        stream=stream,
        version=version,
        type=type_,
        body=body,
        prev_hash=prev_hash,
        hash=hash_,
        merchant_id=MerchantId(merchant),
        region=region,
        actor=actor,
        correlation=correlation,
        causation=causation,
        at=at,
    )


def _waiting(number: int, event: Recorded) -> dict[str, object]:
    return {
        "n": number,
        "event_id": event.id,
        "topic": topic_of(event.type),
        "key": event.stream,
        "region": event.region,
        "body": envelope(event).decode(),
    }
