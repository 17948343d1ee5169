"""Placing orders: up to 64 at once in one statement, their stock taken set-based under locks in SKU order.

Orders and the stock they hold are written in one commit: the one place where a service writes another's table
(`StockReservation`); the discounts that they use and the time that they take are counted there too. The statement
answers per request: placed, key (in use), stock (too little is there, and of what), the name of another limit that it
passes, or crowded (enough was there, but for those before it in the batch: worth another try).

What one request does to a batch never reaches the others: keys and demand are settled apart, a batch that the server
refuses is halved until the culprit stands alone, and one that waited too long is split by shop, as its locks are.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from shared.adapters.postgres.batching import Grouped
from shared.adapters.postgres.database import Database, Row, Sql
from shared.adapters.postgres.discount_uses import DISCOUNTS
from shared.adapters.postgres.order_limits import Limit, array
from shared.adapters.postgres.order_slots import SLOTS, PostgresOrderSlots
from shared.adapters.postgres.recording import KEY_LIFETIME, Prepared, prepare
from shared.adapters.postgres.refusals import Collided, Lost, Slow
from shared.adapters.postgres.statement import StateTable
from shared.adapters.postgres.store import reply_of
from shared.kernel.clock import rfc3339
from shared.kernel.decision import AlreadyAnswered, By, Claim, Decided, Stored, StoredReply
from shared.kernel.encoding import Raw, to_json
from shared.kernel.errors import Bug, KeyReused, Transient
from shared.kernel.facts import GENESIS
from shared.kernel.ids import OrderId, ReservationId
from shared.kernel.reply import Reply
from shared.orders.discounts import DiscountUsedUp
from shared.orders.facts import OrderPlaced
from shared.orders.model import Order, OrderView
from shared.orders.ports import SoldOut
from shared.orders.slots import SlotFull

BATCH: Final = 64
LIMITS: Final = (DISCOUNTS, SLOTS)
_REFUSALS: Final = {limit.name: limit.refusal for limit in LIMITS}
CROWD: Final = 32
"""A batch of 32 costs the database a tenth more an order than one of 64, one of 8 half as much again."""


def place_sql(table: StateTable[Order], limits: Sequence[Limit] = ()) -> Sql:
    """Return the statement that places a batch of orders, given as one JSON array `:asked`, held against `limits`.

    Rows are locked in one order by everybody, stock before keys: nobody waits in a circle.
    What they take of the stock is given once more as arrays (asked_by, shop_ids, skus, quantities): of these the
    planner expects a few rows, of nested JSON thousands, for which it would read the whole table. LATERAL makes each
    row be found by the key, and locked in the order of the keys. Counters are set to what was locked: an update checks
    constraints on the row as its snapshot has it first, which may be from before somebody else's commit.
    """
    behind = ("locked", *(limit.locked for limit in limits))
    looked_at = "".join(limit.before.replace("{behind}", after) for limit, after in zip(limits, behind, strict=False))
    counted = "".join(limit.after for limit in limits)
    within = "".join(f" and n not in (select n from {limit.refused})" for limit in limits)
    fits = " and ".join(["s.n is null", *(f"{limit.refused}.n is null" for limit in limits)])
    beyond = "".join(f" when {limit.refused}.surely then '{limit.name}'" for limit in limits)
    joined = "".join(f" left join {limit.refused} on {limit.refused}.n = a.n" for limit in limits)
    columns = ", ".join(table.columns)
    picked = ", ".join(f"r.{column}" for column in table.columns)
    return Sql(f"""
with asked as materialized (
  select * from jsonb_to_recordset(:asked::jsonb) as a(
    n int, caller text, route text, key text, body_hash text, status int, headers jsonb, reply text,
    expires_at timestamptz, order_id text, reservation_id text, shop_id text, merchant_id text, version bigint,
    head text, state jsonb, events jsonb, outbox jsonb, demand jsonb)),
demand as materialized (
  select * from unnest(:asked_by::int[], :shop_ids::text[], :skus::text[], :quantities::bigint[])
             as d(n, shop_id, sku, quantity)),
locked as materialized (
  select s.*
    from (select distinct shop_id, sku from demand order by shop_id, sku) d,
         lateral (select shop_id, sku, on_hand, reserved,
                         case when sold_out_until > clock_timestamp() then 0 else on_hand - reserved end as free
                    from stock where stock.shop_id = d.shop_id and stock.sku = d.sku for update) s),
fitting as (
  select d.n, d.shop_id, d.sku, d.quantity, coalesce(l.free, 0) as free
    from demand d left join locked l using (shop_id, sku)),
running as (
  select n, sku, quantity, free,
         sum(quantity) filter (where quantity <= free) over (partition by shop_id, sku order by n) as up_to
    from fitting),
short as materialized (
  select distinct on (n) n, sku, free, quantity > free as surely
    from running where quantity > free or up_to > free order by n, quantity <= free, sku){looked_at},
claimed as (
  insert into idempotency (caller, route, key, body_hash, status, headers, reply, expires_at)
  select caller, route, key, decode(body_hash, 'hex'), status, headers, convert_to(reply, 'UTF8'), expires_at
    from asked where n not in (select n from short){within}
   order by caller, route, key
  on conflict do nothing
  returning caller, route, key),
fresh as materialized (
  select a.* from asked a join claimed c using (caller, route, key)),
placed as (
  insert into orders ({columns}, version, head)
  select {picked}, f.version, decode(f.head, 'hex')
    from fresh f, jsonb_populate_record(null::orders, f.state) r),
taken as (
  update stock s set on_hand = l.on_hand, reserved = l.reserved + d.quantity
    from (select d.shop_id, d.sku, sum(d.quantity) as quantity
            from demand d join fresh f using (n) group by d.shop_id, d.sku) d join locked l using (shop_id, sku)
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
   order by f.n, o.n){counted}
select a.n,
       case when f.n is not null then 'placed'
            when ({fits}) or exists (select from idempotency i
                  where i.caller = a.caller and i.route = a.route and i.key = a.key) then 'key'
            when s.surely then 'stock'{beyond} else 'crowded' end,
       s.sku, s.free
  from asked a left join fresh f on f.n = a.n left join short s on s.n = a.n{joined}
 order by a.n
""")


_SAID: Final = Sql("""
select k.n, i.body_hash, i.status, i.headers::text, i.reply
  from unnest(:callers::text[], :routes::text[], :keys::text[]) with ordinality as k(caller, route, key, n)
  join idempotency i on i.caller = k.caller and i.route = k.route and i.key = k.key
""")

_Outcome = Stored[Order] | Exception


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """One request to place an order, encoded before it joins a batch: what can't be encoded fails by itself."""

    claim: Claim
    after: Stored[Order]
    reply: StoredReply
    demand: Sequence[tuple[str, int]]
    """What it takes of the shop's stock, by SKU."""
    row: str
    """What the statement reads of it, as JSON without the opening brace: its place in the batch comes first."""

    @property
    def identity(self) -> tuple[str, str, str]:
        """Return what must be different in every request of a statement."""
        return self.claim.caller, self.claim.route, self.claim.key

    def answered(self, said: StoredReply) -> _Outcome:
        """Return the outcome where `said` stands under this key: this very order, if a lost commit made it."""
        return self.after if said == self.reply else AlreadyAnswered(said)


def _asked(claim: Claim, placed: OrderPlaced, after: Stored[Order], ready: Prepared, expires_at: datetime) -> _Asked:
    order, reply = after.state, ready.reply
    if reply is None:
        raise Bug("placing an order without a reply to store")
    demand = list(placed.reserves.items())
    row = {
        "caller": claim.caller,
        "route": claim.route,
        "key": claim.key,
        "body_hash": claim.body_hash.hex(),
        "status": reply.status,
        "headers": dict(reply.headers),
        "reply": reply.body.decode(),
        "expires_at": rfc3339(expires_at),
        "order_id": order.order_id,
        "reservation_id": ReservationId.like(order.order_id),
        "shop_id": order.shop_id,
        "merchant_id": order.merchant_id,
        "version": ready.version,
        "head": ready.head.hex(),
        "state": Raw(ready.row.encode()),
        "events": ready.events,
        "outbox": ready.outbox,
        "demand": [{"sku": sku, "quantity": quantity} for sku, quantity in demand],
    }
    return _Asked(claim, after, reply, demand, to_json(row)[1:])


class PlaceOrders:
    """Group commit for create_order, and for nothing else."""

    def __init__(self, db: Database, table: StateTable[Order], *, region: str, lanes: int) -> None:
        self._db = db
        self._table = table
        self._region = region
        self._sql: dict[tuple[Limit, ...], Sql] = {
            limits: place_sql(table, limits) for limits in ((), (DISCOUNTS,), (SLOTS,), LIMITS)
        }
        self._slots = PostgresOrderSlots(db)
        self._grouped = Grouped(self._place, batch=BATCH, lanes=lanes, crowd=CROWD, wait_s=db.wait_s)

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
        await self._slots.opened(after.state)
        return await self._grouped.submit(_asked(by.once, placed, after, ready, now + KEY_LIFETIME))

    async def _place(self, asked: Sequence[_Asked]) -> Sequence[_Outcome]:
        """Return each request's outcome, equal keys coalesced first."""
        first: dict[tuple[str, str, str], _Asked] = {}
        for one in asked:
            first.setdefault(one.identity, one)
        outcomes = await self._settled(list(first.values()))
        by_key = dict(zip(first, outcomes, strict=True))
        results = [by_key[one.identity] for one in asked]
        for place, one in enumerate(asked):
            if one is not first[one.identity]:
                results[place] = await self._echo(one, first[one.identity], by_key[one.identity])
        return results

    async def _echo(self, one: _Asked, first: _Asked, outcome: _Outcome) -> _Outcome:
        """Return the outcome of a request whose key came before it in the same batch."""
        if one.claim.body_hash == first.claim.body_hash:
            return AlreadyAnswered(first.reply) if isinstance(outcome, Stored) else outcome
        if isinstance(outcome, Stored | AlreadyAnswered):
            return KeyReused("Take a fresh Idempotency-Key for a new request.")
        return (await self._settled([one]))[0]

    async def _settled(self, asked: Sequence[_Asked], *, again: bool = False) -> Sequence[_Outcome]:
        """Return the outcome of each of some requests with different keys; never raises.

        `again` says that their statement was repeated once already.
        """
        try:
            rows = await self._run(asked)
        except Lost as lost:
            return [lost] * len(asked) if again else await self._looked_up(asked, lost)
        except Collided as error:
            return [error] * len(asked) if again else await self._settled(asked, again=True)
        except Slow as error:
            return await self._by_shop(asked, error)
        except Transient as error:  # certainly nothing happened, and asking more of this database would not help
            return [error] * len(asked)
        except Exception as error:  # noqa: BLE001  # one of them is to blame: it gets the error, the others don't
            if len(asked) == 1:
                return [error]
            half = len(asked) // 2
            return [*await self._settled(asked[:half]), *await self._settled(asked[half:])]
        return await self._told(asked, rows)

    async def _run(self, asked: Sequence[_Asked]) -> Sequence[Row]:
        """Run the statement, with the limits that concern some of the batch."""
        orders = [one.after.state for one in asked]
        told = {limit: params for limit in LIMITS if (params := limit.params(orders)) is not None}
        more = {name: value for params in told.values() for name, value in params.items()}
        return await self._db.run(self._sql[tuple(told)], **_params(asked), **more)

    async def _told(self, asked: Sequence[_Asked], rows: Sequence[Row]) -> Sequence[_Outcome]:
        """Return what the statement's rows mean; replies are looked up, the crowded tried again among themselves.

        The first in a batch is crowded out by nobody, so that each round leaves fewer.
        """
        outcomes: dict[_Asked, _Outcome] = {}
        taken: list[_Asked] = []
        crowded: list[_Asked] = []
        for one, (_, outcome, sku, free) in zip(asked, rows, strict=True):
            if outcome == "placed":
                outcomes[one] = one.after
            elif outcome in _REFUSALS:
                self._slots.doubted(one.after.state)
                outcomes[one] = _REFUSALS[outcome](one.after.state)
            elif outcome == "stock":
                outcomes[one] = SoldOut(f"Only {free} of {sku} left.", sku=sku, available=int(free))
            else:
                (taken if outcome == "key" else crowded).append(one)
        if taken:
            outcomes |= await self._said(taken, Transient("Another request has this key. Repeat with the same one."))
        if crowded:
            outcomes |= zip(crowded, await self._settled(crowded), strict=True)
        return [outcomes[one] for one in asked]

    async def _said(self, asked: Sequence[_Asked], otherwise: Exception) -> dict[_Asked, _Outcome]:
        """Return what stands under the keys of some requests; `otherwise` where nothing does. Never raises."""
        callers, routes, keys = zip(*(one.identity for one in asked), strict=True)
        try:
            rows = await self._db.run(_SAID, callers=list(callers), routes=list(routes), keys=list(keys))
        except Exception as error:  # noqa: BLE001  # it is the outcome of these, and of nobody else in the batch
            return dict.fromkeys(asked, error)
        outcomes: dict[_Asked, _Outcome] = dict.fromkeys(asked, otherwise)
        for n, *row in rows:
            one = asked[cast(int, n) - 1]
            try:
                outcomes[one] = one.answered(reply_of(one.claim, row))
            except KeyReused as reused:
                outcomes[one] = reused
        return outcomes

    async def _looked_up(self, asked: Sequence[_Asked], lost: Lost) -> Sequence[_Outcome]:
        """Return what became of requests whose connection was lost: found by their keys, else tried once more.

        A lost statement may still be at work: then the repeated one waits for its locks, and finds its keys.
        """
        outcomes = await self._said(asked, lost)
        missing = [one for one in asked if outcomes[one] is lost]
        if missing:
            outcomes |= zip(missing, await self._settled(missing, again=True), strict=True)
            short = [one for one in missing if isinstance(outcomes[one], SoldOut | DiscountUsedUp | SlotFull)]
            if short:  # by themselves, perhaps
                found = await self._said(short, lost)
                outcomes |= {one: outcome for one, outcome in found.items() if outcome is not lost}
        return [lost if isinstance(outcomes[one], Transient) else outcomes[one] for one in asked]

    async def _by_shop(self, asked: Sequence[_Asked], slow: Slow) -> Sequence[_Outcome]:
        """Return the outcomes of a batch that waited too long: a shop whose stock is locked holds up no other."""
        shops: dict[str, list[_Asked]] = defaultdict(list)
        for one in asked:
            shops[one.after.state.shop_id].append(one)
        if len(shops) == 1:
            return [slow] * len(asked)
        outcomes: dict[_Asked, _Outcome] = {}
        parts = list(shops.values())
        for part, told in zip(parts, await asyncio.gather(*map(self._settled, parts)), strict=True):
            outcomes |= zip(part, told, strict=True)
        return [outcomes[one] for one in asked]


def _params(asked: Sequence[_Asked]) -> dict[str, str]:
    """Return the parameters of the statement."""
    taken = [(n, one.after.state.shop_id, *line) for n, one in enumerate(asked) for line in one.demand]
    return {
        "asked": "[" + ",".join(f'{{"n":{n},{one.row}' for n, one in enumerate(asked)) + "]",
        "asked_by": array(n for n, _, _, _ in taken),
        "shop_ids": array(shop_id for _, shop_id, _, _ in taken),
        "skus": array(sku for _, _, sku, _ in taken),
        "quantities": array(quantity for _, _, _, quantity in taken),
    }
