"""Kafka wakes, Postgres decides: what a subscribed operation has not taken goes into the outbox again, from `events`.

A cursor per region says up to when nothing is missing, so that a look covers the last minutes and not history. What was
sent again is sent again only after a growing pause: an operation that is down for hours gets no flood for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from prometheus_client import Counter

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.event_rows import COLUMNS, recorded
from shared.kernel.encoding import to_json
from shared.kernel.envelope import envelope
from shared.kernel.facts import Recorded, topic_of

SENT_AGAIN: Final = Counter("facts_sent_again_total", "Facts that some operation had not taken in time")
MISSED: Final = Sql(
    f"""
with subscribed as (
  select operation, type from unnest(:operations::text[], :facts::text[]) as s(operation, type)),
since as (
  select greatest(clock_timestamp() - make_interval(secs => :horizon_s::float8),
                  (select settled_until from redelivery_cursors where region = :region)) as at),
missing as materialized (
  select e.* from events e, since
   where e.type = any(:facts::text[])
     and e.region = :region
     and e.at > since.at
     and e.at < clock_timestamp() - make_interval(secs => :older_than_s::float8)
     and exists (
       select from subscribed s
        where s.type = e.type
          and not exists (select from inbox i where i.operation = s.operation and i.event_id = e.id)
          and not exists (select from parked p where p.operation = s.operation and p.event_id = e.id))),
due as (
  select m.* from missing m left join redeliveries r on r.event_id = m.id
   where (r.event_id is null
          or r.at < clock_timestamp() - make_interval(mins => least(60, power(2, least(r.times, 6)))::int))
     and not exists (select from outbox o where o.event_id = m.id)
   order by m.at, m.stream, m.version limit :most::bigint)
select (select min(at) from missing), {COLUMNS}
  from (values (1)) as always left join due d on true
 order by d.at, d.stream, d.version
"""
)
"""The first column is when the oldest missing event happened, on every row; the rest is null when none is due."""
SEND_AGAIN: Final = Sql(
    """
with again as (
  select * from jsonb_to_recordset(:rows::jsonb)
      as r(n int, event_id text, topic text, key text, region text, body text)),
noted as (
  insert into redeliveries as known (event_id, times) select event_id, 1 from again
  on conflict (event_id) do update set times = known.times + 1, at = clock_timestamp())
insert into outbox (event_id, topic, key, region, body)
select event_id, topic, key, region, convert_to(body, 'UTF8') from again order by n
returning seq
"""
)
SETTLE: Final = Sql(
    """
with forgotten as (
  delete from redeliveries where at < clock_timestamp() - make_interval(secs => :horizon_s::float8))
insert into redelivery_cursors as known (region, settled_until)
values (:region, coalesce(:oldest::timestamptz,
                          clock_timestamp() - make_interval(secs => :older_than_s::float8)) - interval '5 minutes')
on conflict (region) do update set settled_until = greatest(known.settled_until, excluded.settled_until)
"""
)
"""Five minutes lie between an event's time and the latest moment at which its commit may show it."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """An operation and a fact type it is called with."""

    operation: str
    type: str


class Redelivery:
    """Looks for what is missing, and sends it again."""

    def __init__(
        self,
        db: Database,
        subscriptions: Iterable[Subscription],
        *,
        region: str,
        older_than: timedelta = timedelta(seconds=20),
        horizon: timedelta = timedelta(days=14),
        most: int = 500,
    ) -> None:
        """An event counts as missing when it is older than the one and younger than the other.

        Every subscribed operation must note in the inbox what it has dealt with, or it will get it for ever.
        """
        self._db = db
        self._subscriptions = list(subscriptions)
        self._region = region
        self._older_than_s = older_than.total_seconds()
        self._horizon_s = horizon.total_seconds()
        self._most = most

    async def send_again(self) -> bool:
        """Put what is missing into the outbox, oldest first; return whether more may be due. Raises Transient.

        Every subscriber of an event gets it again, for the inbox makes that harmless. What is parked is not missing.
        """
        if not self._subscriptions:
            return False
        rows = await self._db.run(
            MISSED,
            operations=[one.operation for one in self._subscriptions],
            facts=[one.type for one in self._subscriptions],
            region=self._region,
            older_than_s=self._older_than_s,
            horizon_s=self._horizon_s,
            most=self._most,
        )
        due = [_outgoing(number, recorded(row[1:])) for number, row in enumerate(rows) if row[1] is not None]
        if due:
            await self._db.run(SEND_AGAIN, rows=to_json(due))
        await self._db.run(
            SETTLE,
            region=self._region,
            oldest=rows[0][0],
            older_than_s=self._older_than_s,
            horizon_s=self._horizon_s,
        )
        SENT_AGAIN.inc(len(due))
        return len(due) == self._most


def _outgoing(number: int, event: Recorded) -> dict[str, object]:
    return {
        "n": number,
        "event_id": event.id,
        "topic": topic_of(event.type),
        "key": event.stream,
        "region": event.region,
        "body": envelope(event).decode(),
    }
