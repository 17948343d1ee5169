"""The outbox's way out: what waits, and what the one relay takes that holds the lease."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.adapters.postgres.database import Connection, Row, Sql
from shared.adapters.postgres.leases import Lease
from shared.kernel.envelope import WORK_TOPIC
from shared.kernel.errors import Fenced

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
