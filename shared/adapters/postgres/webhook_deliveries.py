"""Events on their way to webhooks: rows with a time at which they are looked at again, whoever had them.

That time is the only lease there is: what a worker that died has left under way is due again when its minute is over.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import TypeAdapter

from shared.adapters.postgres.database import Database, Row, Sql
from shared.adapters.postgres.recording import once_params, work_row
from shared.adapters.postgres.store import TAKE
from shared.kernel.decision import By, Page, Taking, Work
from shared.kernel.encoding import to_json
from shared.kernel.errors import Bug
from shared.kernel.ids import DeliveryId, EventId, MerchantId, ShopId, WebhookId
from shared.notifications.webhook_model import HookDeliveryStatus, HookDeliveryView, Try, Webhook
from shared.notifications.webhook_ports import AT_ONCE, LEASE_S, TIRED, Attempt, Health, Listener
from shared.notifications.webhook_signing import Recounted

TOPIC: Final = "webhooks"
IN_HAND: Final = timedelta(minutes=5)
"""How long work may lie in outbox and Pub/Sub before its delivery counts as forgotten and is queued again."""
A_TICK: Final = 200
"""Deliveries that are queued again, dropped or forgotten in one go."""
PAUSE_S: Final = 10
LONGEST_PAUSE_S: Final = 3600
KEPT_TRIES: Final = 20
_TRIES: Final = TypeAdapter(tuple[Try, ...])

_LISTENERS: Final = Sql(
    """
select w.webhook_id, coalesce(h.open_until > :now::timestamptz, false)
  from webhooks w left join webhook_health h using (webhook_id)
 where w.merchant_id = :merchant_id and w.deleted_at is null and w.enabled
   and (w.shop_id is null or w.shop_id = :shop_id) and w.events ? :event_type
"""
)
_OUTBOX: Final = """
  insert into outbox (event_id, topic, key, region, body, traceparent)
  select o.event_id, o.topic, o.key, o.region, convert_to(o.body, 'UTF8'), o.traceparent
    from jsonb_to_recordset(:outbox::jsonb) as o(n int, event_id text, topic text, key text, region text, body text,
         traceparent text)"""
_QUEUE: Final = Sql(
    f"""
with taken as (
  insert into inbox (operation, event_id) values (:operation, :event_id) on conflict do nothing returning 1),
queued as (
  insert into webhook_deliveries (delivery_id, webhook_id, event_id, event_type, status, due_at, created_at)
  select d.delivery_id, d.webhook_id, :about, :event_type, 'waiting', d.due_at, :now::timestamptz
    from jsonb_to_recordset(:deliveries::jsonb) as d(delivery_id text, webhook_id text, due_at timestamptz)
  on conflict (webhook_id, event_id) do nothing
  returning delivery_id),
sent as ({_OUTBOX} where o.key in (select delivery_id from queued) order by o.n returning 1)
select case when not exists (select from taken) then refuse('CR003', 'event taken before') else true end
"""
)
_FREE: Final = f"""
  case when h.open_until > :now::timestamptz then 0
       when coalesce(h.failures, 0) >= {TIRED} then 1 else {AT_ONCE} end
  - (select count(*) from webhook_deliveries b where b.webhook_id = w.webhook_id and b.status = 'sending'
        and b.due_at > :now::timestamptz)"""
# What is not picked because its endpoint has enough is due at once: the next success, or the next tick, takes it.
_CLAIM: Final = Sql(
    f"""
with room as (
  select w.webhook_id, {_FREE} as free
    from webhooks w left join webhook_health h using (webhook_id)
   where w.webhook_id = :webhook_id and w.enabled and w.deleted_at is null),
picked as (
  select d.delivery_id from webhook_deliveries d, room
   where d.webhook_id = room.webhook_id and room.free > 0 and d.ended_at is null
     and (d.status = 'waiting' or d.due_at <= :now::timestamptz)
     and (d.delivery_id = :delivery_id::text or :delivery_id::text is null and d.due_at <= :now::timestamptz)
   order by d.due_at limit 1 for update of d skip locked),
left_alone as (
  update webhook_deliveries set due_at = :now::timestamptz
   where delivery_id = :delivery_id::text and status = 'waiting' and not exists (select from picked)),
claimed as (
  update webhook_deliveries d set status = 'sending', attempts = d.attempts + 1,
         due_at = :now::timestamptz + {LEASE_S} * interval '1 second'
    from picked where d.delivery_id = picked.delivery_id
  returning d.delivery_id, d.webhook_id, d.event_id, d.attempts, d.failed)
select c.delivery_id, c.attempts, c.failed, (to_jsonb(w) - 'version' - 'head')::text,
       e.id, e.type, e.stream, e.version, e.merchant_id, e.at, e.body
  from claimed c join webhooks w using (webhook_id) join events e on e.id = c.event_id
"""
)
_TRIED: Final = f"""
  tries = (case when jsonb_array_length(d.tries) >= {KEPT_TRIES} then d.tries - 0 else d.tries end) || :made::jsonb"""
_DELIVERED: Final = Sql(
    f"""
with told as (
  update webhook_deliveries d set status = 'delivered', due_at = null, ended_at = :now::timestamptz, {_TRIED}
   where delivery_id = :delivery_id and attempts = :number::int and status = 'sending'
  returning webhook_id)
update webhook_health h set failures = 0, failing_since = null, open_until = null
  from told where h.webhook_id = told.webhook_id and h.failures > 0
"""
)
_FAILED: Final = Sql(
    f"""
with told as (
  update webhook_deliveries d set failed = d.failed + 1, {_TRIED}, due_at = :again_at::timestamptz,
         status = case when :again_at::timestamptz is null then 'failed' else 'waiting' end,
         ended_at = case when :again_at::timestamptz is null then :now::timestamptz end
   where delivery_id = :delivery_id and attempts = :number::int and status = 'sending'
  returning webhook_id)
insert into webhook_health as h (webhook_id, failures, failing_since)
select webhook_id, 1, :now::timestamptz from told
on conflict (webhook_id) do update set
  failures = h.failures + 1, failing_since = coalesce(h.failing_since, excluded.failing_since),
  open_until = case when h.failures + 1 >= {TIRED} then :now::timestamptz + interval '1 second'
    * least({LONGEST_PAUSE_S}, {PAUSE_S} * 2 ^ least(h.failures + 1 - {TIRED}, 20)) end
returning failures, failing_since
"""
)
_DUE: Final = Sql(
    f"""
with hooks as (
  select w.webhook_id, {_FREE} as free
    from webhooks w left join webhook_health h using (webhook_id)
   where w.enabled and w.deleted_at is null and (h.open_until is null or h.open_until <= :now::timestamptz)
     and exists (select from webhook_deliveries d
                  where d.webhook_id = w.webhook_id and d.ended_at is null and d.due_at <= :now::timestamptz))
select due.webhook_id, due.delivery_id from hooks, lateral (
  select d.webhook_id, d.delivery_id, d.due_at from webhook_deliveries d
   where d.webhook_id = hooks.webhook_id and d.ended_at is null and d.due_at <= :now::timestamptz
   order by d.due_at limit greatest(hooks.free, 0)) due
 order by due.due_at limit {A_TICK}
"""
)
_SEND: Final = Sql(
    f"""
with moved as (
  update webhook_deliveries set status = 'waiting', due_at = :in_hand::timestamptz
   where delivery_id in (select o.key from jsonb_to_recordset(:outbox::jsonb) as o(key text))
     and ended_at is null and due_at <= :now::timestamptz
  returning delivery_id),
sent as ({_OUTBOX} where o.key in (select delivery_id from moved) order by o.n returning 1)
select count(*)::int from sent
"""
)
_DROP: Final = Sql(
    f"""
update webhook_deliveries set status = 'dropped', due_at = null, ended_at = :now::timestamptz
 where delivery_id in (
   select d.delivery_id from webhooks w join webhook_deliveries d using (webhook_id)
    where not w.enabled and d.ended_at is null and (d.status = 'waiting' or d.due_at <= :now::timestamptz)
    limit {A_TICK} for update of d skip locked)
"""
)
_FORGET: Final = Sql(
    f"""
delete from webhook_deliveries where delivery_id in (
  select delivery_id from webhook_deliveries where ended_at < :older_than::timestamptz
   order by ended_at limit {A_TICK} for update skip locked)
"""
)
_VIEW: Final = "delivery_id, event_id, event_type, status, attempts, tries::text, due_at, created_at, ended_at"
_RENEW: Final = Sql(
    f"""
with opened as (
  update webhook_health set open_until = null where webhook_id = :webhook_id),
renewed as (
  update webhook_deliveries set status = 'waiting', failed = 0, ended_at = null, due_at = :in_hand::timestamptz
   where delivery_id = :delivery_id and webhook_id = :webhook_id
     and (status <> 'sending' or due_at <= :now::timestamptz)
  returning {_VIEW.replace("::text", "")}),
sent as ({_OUTBOX} where o.key in (select delivery_id from renewed) returning 1)
select {_VIEW} from renewed
"""
)
_ONE: Final = Sql(
    f"select {_VIEW} from webhook_deliveries where delivery_id = :delivery_id and webhook_id = :webhook_id"
)
_LISTED: Final = Sql(
    f"select {_VIEW} from webhook_deliveries where webhook_id = :webhook_id"
    " and (:status::text is null or status = :status::text)"
    " and (:before::text is null or delivery_id < :before::text)"
    " order by delivery_id desc limit :limit::int"
)


class PostgresDeliveries:
    """Fulfils `shared.notifications.webhook_ports.Deliveries`."""

    def __init__(self, db: Database, *, region: str) -> None:
        self._db = db
        self._region = region

    async def listeners(
        self, merchant_id: MerchantId, shop_id: ShopId, event_type: str, *, now: datetime
    ) -> Sequence[Listener]:
        """Return the webhooks that listen to this."""
        rows = await self._db.run(_LISTENERS, merchant_id=merchant_id, shop_id=shop_id, event_type=event_type, now=now)
        return [Listener(WebhookId(webhook_id), paused) for webhook_id, paused in rows]

    async def queue(
        self, listeners: Sequence[Listener], event_id: EventId, event_type: str, *, by: By, now: datetime
    ) -> None:
        """Queue one delivery for each, with its work unless its endpoint pauses, and take the event of `by`."""
        if not isinstance(by.once, Taking):
            raise Bug("a delivery is always about an event that is taken")
        if not listeners:
            await self._db.run(TAKE, operation=by.once.operation, event_id=by.once.event_id)
            return
        queued = [(DeliveryId.new(), one) for one in listeners]
        rows: list[dict[str, object]] = [
            {
                "delivery_id": delivery_id,
                "webhook_id": one.webhook_id,
                "due_at": (now if one.paused else now + IN_HAND).isoformat(),
            }
            for delivery_id, one in queued
        ]
        work = [(one.webhook_id, delivery_id) for delivery_id, one in queued if not one.paused]
        await self._db.run(
            _QUEUE,
            about=event_id,
            event_type=event_type,
            now=now,
            deliveries=to_json(rows),
            outbox=self._outbox(work, by=by, now=now),
            **once_params(by.once, None, now),
        )

    async def claim(self, webhook_id: WebhookId, delivery_id: DeliveryId | None, *, now: datetime) -> Attempt | None:
        """Take an attempt of a delivery (None: of the one that is due longest) and return it."""
        rows = await self._db.run(_CLAIM, webhook_id=webhook_id, delivery_id=delivery_id, now=now)
        if not rows:
            return None
        id, number, failed, webhook, event_id, type_, stream, version, merchant_id, at, body = rows[0]
        told = Recounted(EventId(event_id), type_, stream, version, MerchantId(merchant_id), at, bytes(body))
        return Attempt(DeliveryId(id), Webhook.model_validate_json(webhook), number, failed, told)

    async def delivered(self, attempt: Attempt, made: Try, *, now: datetime) -> None:
        """Note that the endpoint took it."""
        await self._db.run(_DELIVERED, **_of(attempt, made), now=now)

    async def failed(self, attempt: Attempt, made: Try, *, again_at: datetime | None, now: datetime) -> Health | None:
        """Note that it did not, and when to try again; return how its endpoint does."""
        rows = await self._db.run(_FAILED, **_of(attempt, made), again_at=again_at, now=now)
        return Health(*rows[0]) if rows else None

    async def send_again(self, *, by: By, now: datetime) -> int:
        """Queue work for deliveries that are due, never more for an endpoint than it may have; return how many."""
        due = [(WebhookId(hook), DeliveryId(delivery)) for hook, delivery in await self._db.run(_DUE, now=now)]
        if not due:
            return 0
        outbox = self._outbox(due, by=by, now=now)
        rows = await self._db.run(_SEND, outbox=outbox, in_hand=now + IN_HAND, now=now)
        return int(rows[0][0])

    async def tidy(self, *, older_than: datetime, now: datetime) -> None:
        """Drop what waits for webhooks that are off; forget what ended before `older_than`. A bounded part of it."""
        await self._db.run(_DROP, now=now)
        await self._db.run(_FORGET, older_than=older_than)

    async def renew(
        self, webhook_id: WebhookId, delivery_id: DeliveryId, *, by: By, now: datetime
    ) -> HookDeliveryView | None:
        """Begin anew with a delivery and queue its work; None when there is none."""
        about = {"webhook_id": webhook_id, "delivery_id": delivery_id}
        outbox = self._outbox([(webhook_id, delivery_id)], by=by, now=now)
        rows = await self._db.run(_RENEW, **about, outbox=outbox, in_hand=now + IN_HAND, now=now)
        rows = rows or await self._db.run(_ONE, **about)
        return _view(rows[0]) if rows else None

    async def listed(
        self, webhook_id: WebhookId, *, status: HookDeliveryStatus | None, before: str | None, limit: int
    ) -> Page[HookDeliveryView]:
        """Return the deliveries of a webhook, newest first, after the cursor."""
        rows = await self._db.run(_LISTED, webhook_id=webhook_id, status=status, before=before, limit=limit + 1)
        found = [_view(row) for row in rows[:limit]]
        return found, found[-1].delivery_id if len(rows) > limit else None

    def _outbox(self, work: Sequence[tuple[WebhookId, DeliveryId]], *, by: By, now: datetime) -> str:
        return to_json(
            [
                work_row(
                    n,
                    Work(TOPIC, delivery_id, {"webhook_id": webhook_id, "delivery_id": delivery_id}),
                    by=by,
                    now=now,
                    region=self._region,
                )
                for n, (webhook_id, delivery_id) in enumerate(work)
            ]
        )


def _of(attempt: Attempt, made: Try) -> dict[str, object]:
    return {
        "delivery_id": attempt.delivery_id,
        "number": attempt.number,
        "made": f"[{made.model_dump_json(exclude_none=True)}]",
    }


def _view(row: Row) -> HookDeliveryView:
    delivery_id, event_id, event_type, status, attempts, tries, due_at, created_at, ended_at = row
    return HookDeliveryView.model_validate(
        {
            "delivery_id": delivery_id,
            "event_id": event_id,
            "event_type": event_type,
            "status": status,
            "attempts": attempts,
            "tries": _TRIES.validate_json(tries),
            "next_attempt_at": due_at if status == HookDeliveryStatus.WAITING else None,
            "created_at": created_at,
            "ended_at": ended_at,
        }
    )
