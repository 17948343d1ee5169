"""Placing orders: up to 64 at once in one statement, their stock taken set-based under locks in SKU order.

Orders and the stock they hold are written in one commit: the one place where a service writes another's table
(`StockReservation`). The statement answers per request: placed, stock (too little, and of what) or key (in use).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pg8000.exceptions import DatabaseError

from shared.adapters.postgres.batching import Grouped
from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.recording import KEY_LIFETIME, Prepared, prepare
from shared.adapters.postgres.statement import StateTable
from shared.adapters.postgres.store import answered, stored_reply
from shared.kernel.clock import rfc3339
from shared.kernel.decision import AlreadyAnswered, By, Claim, Decided, Stored
from shared.kernel.encoding import Raw, to_json
from shared.kernel.errors import Bug, Problem, Transient
from shared.kernel.facts import GENESIS
from shared.kernel.ids import OrderId, ReservationId
from shared.kernel.reply import Reply
from shared.orders.facts import OrderPlaced
from shared.orders.model import Order, OrderView
from shared.orders.ports import SoldOut

BATCH: Final = 64


def place_sql(table: StateTable[Order]) -> Sql:
    """Return the statement that places a batch of orders, given as one JSON array `:asked`."""
    columns = ", ".join(table.columns)
    picked = ", ".join(f"r.{column}" for column in table.columns)
    return Sql(f"""
with asked as materialized (
  select * from jsonb_to_recordset(:asked::jsonb) as a(
    n int, caller text, route text, key text, body_hash text, status int, headers jsonb, reply text,
    expires_at timestamptz, order_id text, reservation_id text, shop_id text, merchant_id text, version bigint,
    head text, state jsonb, events jsonb, outbox jsonb, demand jsonb)),
demand as materialized (
  select a.n, a.shop_id, d.sku, d.quantity
    from asked a, jsonb_to_recordset(a.demand) as d(sku text, quantity bigint)),
locked as materialized (
  select s.shop_id, s.sku, s.on_hand - s.reserved as free
    from stock s
   where (s.shop_id, s.sku) in (select shop_id, sku from demand)
   order by s.shop_id, s.sku for update),
running as (
  select d.n, d.sku, coalesce(l.free, 0) as free,
         sum(d.quantity) over (partition by d.shop_id, d.sku order by d.n) as up_to
    from demand d left join locked l using (shop_id, sku)),
short as materialized (
  select distinct on (n) n, sku, free from running where up_to > free order by n, sku),
claimed as (
  insert into idempotency (caller, route, key, body_hash, status, headers, reply, expires_at)
  select caller, route, key, decode(body_hash, 'hex'), status, headers, convert_to(reply, 'UTF8'), expires_at
    from asked where n not in (select n from short)
  on conflict do nothing
  returning caller, route, key),
fresh as materialized (
  select a.* from asked a join claimed c using (caller, route, key)),
placed as (
  insert into orders ({columns}, version, head)
  select {picked}, f.version, decode(f.head, 'hex')
    from fresh f, jsonb_populate_record(null::orders, f.state) r),
taken as (
  update stock s set reserved = s.reserved + d.quantity
    from (select d.shop_id, d.sku, sum(d.quantity) as quantity
            from demand d join fresh f using (n) group by d.shop_id, d.sku) d
   where s.shop_id = d.shop_id and s.sku = d.sku),
held as (
  insert into stock_holds (reservation_id, order_id, shop_id, merchant_id, lines, state, version, head)
  select reservation_id, order_id, shop_id, merchant_id, demand, 'held', 0, '\\x{GENESIS.hex()}'::bytea from fresh),
appended as (
  insert into events (stream, version, id, type, body, prev_hash, hash, merchant_id, region, actor, correlation,
                      causation, at)
  select e.stream, e.version, e.id, e.type, convert_to(e.body, 'UTF8'), decode(e.prev_hash, 'hex'),
         decode(e.hash, 'hex'), e.merchant_id, e.region, e.actor, e.correlation, e.causation, e.at
    from fresh f, jsonb_to_recordset(f.events) as e(stream text, version bigint, id text, type text, body text,
         prev_hash text, hash text, merchant_id text, region text, actor text, correlation text, causation text,
         at timestamptz)),
sent as (
  insert into outbox (event_id, topic, key, region, body, traceparent)
  select o.event_id, o.topic, o.key, o.region, convert_to(o.body, 'UTF8'), o.traceparent
    from fresh f, jsonb_to_recordset(f.outbox) as o(n int, event_id text, topic text, key text, region text,
         body text, traceparent text)
   order by f.n, o.n)
select a.n, case when f.n is not null then 'placed' when s.n is not null then 'stock' else 'key' end, s.sku, s.free
  from asked a left join fresh f on f.n = a.n left join short s on s.n = a.n
 order by a.n
""")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request to place an order, ready to be stored."""

    claim: Claim
    after: Stored[Order]
    ready: Prepared
    reservation_id: ReservationId
    expires_at: datetime

    @property
    def row(self) -> dict[str, object]:
        """Return what the statement reads of this request, but for its place in the batch."""
        order, reply = self.after.state, self.ready.reply
        if reply is None:
            raise Bug("placing an order without a reply to store")
        demand: dict[str, int] = {}
        for line in order.lines:
            if line.sku is not None:
                demand[line.sku] = demand.get(line.sku, 0) + line.quantity
        return {
            "caller": self.claim.caller,
            "route": self.claim.route,
            "key": self.claim.key,
            "body_hash": self.claim.body_hash.hex(),
            "status": reply.status,
            "headers": dict(reply.headers),
            "reply": reply.body.decode(),
            "expires_at": rfc3339(self.expires_at),
            "order_id": order.order_id,
            "reservation_id": self.reservation_id,
            "shop_id": order.shop_id,
            "merchant_id": order.merchant_id,
            "version": self.ready.version,
            "head": self.ready.head.hex(),
            "state": Raw(self.ready.row.encode()),
            "events": self.ready.events,
            "outbox": self.ready.outbox,
            "demand": [{"sku": sku, "quantity": quantity} for sku, quantity in sorted(demand.items())],
        }


class PlaceOrders:
    """Group commit for create_order, and for nothing else."""

    def __init__(self, db: Database, table: StateTable[Order], *, region: str, lanes: int) -> None:
        self._db = db
        self._table = table
        self._region = region
        self._sql = place_sql(table)
        self._grouped = Grouped(self._place, batch=BATCH, lanes=lanes)
        self._waiting: dict[tuple[str, str, str], _Asked] = {}

    async def place(
        self,
        order_id: OrderId,
        placed: OrderPlaced,
        *,
        by: By,
        now: datetime,
        reply: Callable[[Stored[Order]], Reply[OrderView]],
    ) -> Stored[Order]:
        """Return the placed order. Raises SoldOut, AlreadyAnswered, KeyReused, Transient.

        Of several requests under one key in a batch the first is stored; the others then find its reply.
        """
        if not isinstance(by.once, Claim):
            raise Bug("an order is placed under an Idempotency-Key")
        after, ready = prepare(
            self._table, order_id, None, Decided((placed,)), by=by, now=now, region=self._region, reply=reply
        )
        return await self._grouped.submit(
            _Asked(by.once, after, ready, ReservationId.like(order_id), now + KEY_LIFETIME)
        )

    async def _place(self, asked: Sequence[_Asked]) -> Sequence[Stored[Order] | Exception]:
        """Return each request's outcome; what was refused or failed in company is tried once more alone."""
        if len(asked) == 1:
            return [await self._alone(asked[0])]
        first = {(one.claim.caller, one.claim.route, one.claim.key): one for one in reversed(asked)}
        together = [one for one in asked if first[one.claim.caller, one.claim.route, one.claim.key] is one]
        try:
            outcomes = await self._run(together)
        except Transient as error:
            return [await self._resolved(one, error) for one in asked]
        except DatabaseError:
            outcomes = []
        settled = {id(one): outcome for one, outcome in zip(together, outcomes, strict=False)}
        results: list[Stored[Order] | Exception] = []
        for one in asked:
            outcome = settled.get(id(one))
            if outcome is None or isinstance(outcome, SoldOut):
                outcome = await self._alone(one)
            results.append(outcome)
        return results

    async def _alone(self, one: _Asked) -> Stored[Order] | Exception:
        try:
            return (await self._run([one]))[0]
        except Transient as error:
            return await self._resolved(one, error)

    async def _resolved(self, one: _Asked, lost: Transient) -> Stored[Order] | Exception:
        """Return what became of a request whose connection was lost: found by its key, or still unknown."""
        try:
            said = await stored_reply(self._db, one.claim)
        except Problem as error:
            return lost if isinstance(error, Transient) else error
        return AlreadyAnswered(said) if said else lost

    async def _run(self, asked: Sequence[_Asked]) -> Sequence[Stored[Order] | Exception]:
        rows = await self._db.run(self._sql, asked=to_json([{"n": n, **one.row} for n, one in enumerate(asked)]))
        outcomes: list[Stored[Order] | Exception] = []
        for one, (_, outcome, sku, free) in zip(asked, rows, strict=True):
            if outcome == "placed":
                outcomes.append(one.after)
            elif outcome == "stock":
                outcomes.append(SoldOut(f"Only {free} of {sku} left.", sku=sku, available=int(free)))
            else:
                outcomes.append(await answered(self._db, one.claim))
        return outcomes
