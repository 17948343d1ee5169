"""Payments in Postgres: their streams, requested one by one, confirmed and expired in bulk under row locks."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from pg8000.exceptions import DatabaseError

from shared.adapters.postgres.database import Connection, Database, Row, Sql
from shared.adapters.postgres.payment_batches import Judge, one_by_one, settled_first
from shared.adapters.postgres.recording import prepare
from shared.adapters.postgres.refusals import Moved
from shared.adapters.postgres.statement import GuardedBy, StateTable, append_sql, rows_sql
from shared.adapters.postgres.store import TAKE, StateStore, stored, stored_reply
from shared.kernel.decision import AlreadyAnswered, AlreadyTaken, By, Claim, Decided, Guard, Stored, Taking
from shared.kernel.encoding import to_json
from shared.kernel.errors import Bug, Transient
from shared.kernel.facts import Fact
from shared.kernel.ids import OrderId, PaymentId
from shared.kernel.reply import Reply
from shared.payments.addresses import TakenAddress
from shared.payments.facts import PaymentExpired, PaymentFinal, PaymentRequested, PaymentReversed, PaymentSettled
from shared.payments.lifecycle import GRACE, evolve, evolve_all
from shared.payments.model import Payment, PaymentView
from shared.payments.ports import ConfirmRule, OrderRule, OrderStanding

BATCH: Final = 200
_UNIQUE: Final = "23505"
_ONE_ACTIVE: Final = "payments_one_active"
_ONE_SETTLED: Final = "payments_one_settled"

TABLE: Final = StateTable(
    name="payments",
    key="payment_id",
    model=Payment,
    evolve=evolve,
    guards=(GuardedBy("orders", "order_id"),),
    evolve_all=evolve_all,
)
REQUESTED: Final = StateTable(
    name="payments",
    key="payment_id",
    model=Payment,
    evolve=evolve,
    guards=(GuardedBy("orders", "order_id"),),
    extra=""",
shown as (
  update receive_addresses set shown_at = clock_timestamp()
   where payment_id = :watch_payment and watch_key = :watch_key and fingerprint = :fingerprint and shown_at is null
  returning 1),
watching as (
  insert into watched_addresses (chain, watch_key, payment_id, since)
  select :watch_chain, :watch_key, :watch_payment, (select height from chain_cursors where chain = :watch_chain)
   where case when :pay_by::timestamptz > clock_timestamp() then true
              else refuse('CR001', 'the time to pay is over') end
     and case when exists (select from shown) then true else refuse('CR001', 'the address was taken back') end
     and case when exists (select from shops where shop_id = :of_shop
                            and payout -> :family ->> 'fingerprint' = :fingerprint) then true
              else refuse('CR001', 'the shop is paid to another account by now') end
  returning 1)""",
)
"""The address is watched and shown from the very commit that makes the payment; none is made after `pay_by`, nor below
an account that the shop has no more."""

APPEND: Final = append_sql(TABLE, "", None)
_ACTIVE: Final = rows_sql(TABLE, "where order_id = :order_id and not expired and not superseded and closed is null")
_WATCHED: Final = Sql("select from chain_cursors where chain = :chain")
_TAKEN: Final = Sql("select from inbox where operation = :operation and event_id = :event_id")
_CURSOR: Final = Sql("select coalesce(agreed, height), final_height from chain_cursors where chain = :chain for share")
_CURSOR_OF: Final = Sql(
    "select coalesce(agreed, height), coalesce(agreed >= height, true) from chain_cursors"
    " where chain = (select chain from payments where payment_id = :payment_id)"
    " for share"
)
"""Before the payment is locked: whoever writes what was read of the chain locks its cursor first, too."""
_UNCONFIRMED: Final = rows_sql(
    TABLE,
    """where chain = :chain and payment_id > :after and not final
   and (settled or highest is not null)
   and case when settled then included < due - tolerance or highest > :height::bigint - confirmations + 1
                              or exposed
                              or highest <= least(:final_height::bigint, :height::bigint - final_depth + 1)
            else included >= due - tolerance and (written_off or not expired and closed is null)
             and not exists (select from asset_holds h where h.chain = payments.chain and h.asset = payments.asset) end
 order by payment_id limit :limit::int for update""",
)
"""What a block can change: enough has arrived but is not settled; or it is settled and lost something, or is final."""
_LATE: Final = rows_sql(
    TABLE,
    "where chain = :chain and not final and not settled and highest is not null and timing = 'late'"
    " and included >= due - tolerance and not expired and closed is null",
)
_SETTLED: Final = Sql(
    "select payment_id, order_id from payments where order_id = any(:order_ids::text[]) and settled and closed is null"
)
_ONE: Final = rows_sql(TABLE, "where payment_id = :payment_id for update")
_RISK: Final = Sql("select pg_advisory_xact_lock(hashtextextended('exposure:' || :shop_id, 0))")
_BEARS: Final = Sql(
    """
select coalesce((select (zero_confirmation ->> 'hourly_cap')::numeric from shops where shop_id = :shop_id), 0)
       >= :units::text::numeric
        + (select coalesce(sum((quote -> 'price' ->> 'units')::numeric), 0) from payments
            where shop_id = :shop_id and exposed_at is not null
              and (exposed or exposed_at > clock_timestamp() - interval '1 hour'))
"""
)
_ORDER: Final = Sql("select status, payment_id from orders where order_id = :order_id for share")
_OF_ORDER: Final = rows_sql(TABLE, "where order_id = :order_id order by payment_id for update")
_CHAINS: Final = Sql("select chain, least(caught_up_at, coalesce(mempool_at, caught_up_at)) from chain_cursors")
_PASSED: Final = """expires_at + make_interval(secs => :grace_s::float8)
       <= (select least(c.caught_up_at, coalesce(c.mempool_at, c.caught_up_at)) from chain_cursors c
            where c.chain = :chain)"""
_OVERDUE: Final = rows_sql(
    TABLE,
    f"""where payment_id in (
   select payment_id from payments where chain = :chain and not settled and not expired and {_PASSED}
   union all
   select payment_id from payments where exposed_at is not null and chain = :chain and settled and exposed)
   and payment_id > :after and (not settled or exposed) and not expired and closed is null and not written_off
   and {_PASSED}
 order by payment_id limit :limit::int for update skip locked""",
)
"""Rule 13: the proof that chain and mempool were read beyond the deadline stands in the statement itself."""
_FORGET_INPUTS: Final = Sql("delete from sighted_inputs where payment_id = any(:payment_ids::text[])")


def append_all(
    connection: Connection,
    decided: Iterable[tuple[Stored[Payment], Sequence[Fact]]],
    *,
    by: By,
    now: datetime,
    region: str,
) -> int:
    """Append facts to several locked payments within the connection's transaction; return how many payments changed."""
    changed, over = 0, []
    for found, facts in decided:
        if not facts:
            continue
        payment_id = found.state.payment_id
        _, ready = prepare(TABLE, payment_id, found, Decided(facts), by=replace(by, once=None), now=now, region=region)
        connection.run(
            APPEND,
            {
                "version": ready.version,
                "head": ready.head,
                "row": ready.row,
                "expected": ready.expected,
                "events": to_json(ready.events),
                "outbox": to_json(ready.outbox),
            },
        )
        changed += 1
        if any(isinstance(fact, PaymentFinal | PaymentExpired) for fact in facts):
            over.append(str(payment_id))
    if over:
        connection.run(_FORGET_INPUTS, {"payment_ids": over})
    return changed


class PostgresPayments(StateStore[Payment]):
    """The payments' own store."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, TABLE, region=region)
        self._requested = StateStore(db, REQUESTED, region=region)

    async def active_of(self, order_id: OrderId) -> Stored[Payment] | None:
        """Return the order's payment that is not expired, or None."""
        rows = await self._db.run(_ACTIVE, order_id=order_id)
        return stored(Payment, rows[0]) if rows else None

    async def must_be_new(self, by: By) -> None:
        """Raise AlreadyAnswered or KeyReused when the Idempotency-Key of `by` was used before."""
        if isinstance(by.once, Claim):
            said = await stored_reply(self._db, by.once)
            if said is not None:
                raise AlreadyAnswered(said)

    async def watched(self, chain: str) -> bool:
        """Return whether the chain has a cursor."""
        return bool(await self._db.run(_WATCHED, chain=chain))

    async def request(
        self,
        requested: PaymentRequested,
        *,
        taken: TakenAddress,
        guard: Guard,
        by: By,
        now: datetime,
        reply: Callable[[Stored[Payment]], Reply[PaymentView]],
    ) -> Stored[Payment] | None:
        """Append a new payment and watch its address in the same commit; None when the order moved on meanwhile."""
        params = {
            "watch_chain": requested.chain,
            "watch_key": requested.watch_key,
            "watch_payment": requested.payment_id,
            "pay_by": requested.expires_at,
            "of_shop": requested.shop_id,
            "fingerprint": taken.account.fingerprint,
            "family": taken.family,
        }
        decided = Decided((requested,), guard=guard, params=params)
        try:
            return await self._requested.append(requested.payment_id, None, decided, by=by, now=now, reply=reply)
        except Moved:
            return None
        except DatabaseError as error:
            violated = _violated(error)
            if violated is None:
                raise
            if violated != _ONE_ACTIVE:
                raise Bug(f"an address was handed out twice: {violated}") from error
            return None

    async def late(self, chain: str) -> Sequence[Payment]:
        """Return the payments that are whole but for late coins, and not settled."""
        return [stored(Payment, row).state for row in await self._db.run(_LATE, chain=chain)]

    async def follow(self, order_id: OrderId, rule: OrderRule, *, by: By, now: datetime) -> int:
        """Decide about every payment of an order, all of them and the order locked; return how many changed."""

        def work(connection: Connection) -> int:
            _take(connection, by)
            found = connection.run(_ORDER, {"order_id": order_id})
            if not found:
                raise Bug(f"{order_id} has facts and no row")
            order = OrderStanding(*found[0])
            payments = [stored(Payment, row) for row in connection.run(_OF_ORDER, {"order_id": order_id})]
            decided = [(payment, rule(order, payment.state)) for payment in payments]
            return append_all(connection, decided, by=by, now=now, region=self._region)

        return await self._db.transaction(work)

    async def expose(
        self, payment_id: PaymentId, rule: Callable[[Payment, int], Sequence[Fact]], *, by: By, now: datetime
    ) -> bool:
        """Decide about one payment, locked; it is not settled beyond its shop's loss cap, or while nodes disagree."""

        def work(connection: Connection) -> bool:
            _take(connection, by)
            cursor = connection.run(_CURSOR_OF, {"payment_id": payment_id})
            found = stored(Payment, connection.run(_ONE, {"payment_id": payment_id})[0])
            payment = found.state
            if not cursor:
                return False
            height, undisputed = cursor[0]
            facts = rule(payment, height)
            if any(isinstance(fact, PaymentSettled) for fact in facts):
                paid = connection.run(_SETTLED, {"order_ids": [payment.order_id]})
                if paid or not undisputed or not _bears(connection, payment):
                    return False
            return bool(append_all(connection, [(found, facts)], by=by, now=now, region=self._region))

        return await self._db.transaction(work)

    async def confirm(self, chain: str, rule: ConfirmRule, *, by: By, now: datetime) -> int:
        """Decide about every payment that the chain's present cursor can change; return how many did.

        A long list takes several transactions; the last one takes the event, so that a crash leaves it to be done.
        """
        if isinstance(by.once, Taking):
            token = {"operation": by.once.operation, "event_id": by.once.event_id}
            if await self._db.run(_TAKEN, **token):
                raise AlreadyTaken

        def batch(connection: Connection, after: str) -> tuple[Sequence[Row], Judge]:
            cursor = connection.run(_CURSOR, {"chain": chain})
            if not cursor:
                return (), lambda _: lambda _: ()
            height, final_height = cursor[0]
            params = {"chain": chain, "after": after, "height": height, "final_height": final_height, "limit": BATCH}
            told = partial(rule, height=height, final_height=final_height)
            return connection.run(_UNCONFIRMED, params), partial(_one_by_order, connection, told)

        try:
            return await self._in_batches(batch, lambda connection: _take(connection, by), by=by, now=now)
        except DatabaseError as error:
            if _violated(error) != _ONE_SETTLED:
                raise
            raise Transient("Two payments of one order settle at once: the other one was first.") from error

    async def expire(self, rule: Callable[[Payment, datetime], Sequence[Fact]], *, by: By, now: datetime) -> int:
        """Decide about payments past their deadline on chains proven to be read beyond it; return how many did."""
        changed, failures = 0, []
        for chain, proven in await self._db.run(_CHAINS):

            def batch(
                connection: Connection, after: str, chain: str = chain, proven: datetime = proven
            ) -> tuple[Sequence[Row], Judge]:
                params = {"chain": chain, "after": after, "grace_s": GRACE.total_seconds(), "limit": BATCH}
                return connection.run(_OVERDUE, params), lambda _: lambda payment: rule(payment.state, proven)

            try:
                changed += await self._in_batches(batch, lambda _: None, by=by, now=now)
            except Transient:
                raise
            except Exception as error:  # noqa: BLE001 - the other chains first, then it is raised
                failures.append(error)
        if failures:
            raise failures[0]
        return changed

    async def _in_batches(
        self,
        batch: Callable[[Connection, str], tuple[Sequence[Row], Judge]],
        finish: Callable[[Connection], None],
        *,
        by: By,
        now: datetime,
    ) -> int:
        """Run `batch` (given the last payment of the one before) until one is not full, each in a transaction.

        A payment that can't be decided about stops no other: its batch is done again with a savepoint for each, the
        first failure is raised in the end, and nothing is finished.
        """
        failures: list[Exception] = []

        def work(connection: Connection, after: str, careful: bool) -> tuple[int, str | None]:
            rows, judge = batch(connection, after)
            append = partial(append_all, connection, by=by, now=now, region=self._region)
            if careful:
                changed = one_by_one(connection, rows, judge, append, failures)
            else:
                found = [stored(Payment, row) for row in rows]
                rule = judge(found)
                changed = append([(payment, rule(payment)) for payment in settled_first(found)])
            if len(rows) == BATCH:
                return changed, str(json.loads(rows[-1][2])["payment_id"])
            if not failures:
                finish(connection)
            return changed, None

        changed, after = 0, ""
        while True:
            try:
                count, more = await self._db.transaction(partial(work, after=after, careful=False))
            except (Transient, AlreadyTaken):
                raise
            except Exception:  # noqa: BLE001 - it must not stop the others, and is raised in the end
                count, more = await self._db.transaction(partial(work, after=after, careful=True))
            changed += count
            if more is None:
                break
            after = more
        if failures:
            raise failures[0]
        return changed


def _take(connection: Connection, by: By) -> None:
    """Take the event of `by`, if it has one. Raises AlreadyTaken."""
    if isinstance(by.once, Taking):
        token = {"operation": by.once.operation, "event_id": by.once.event_id}
        if not connection.run(TAKE, token):
            raise AlreadyTaken


def _bears(connection: Connection, payment: Payment) -> bool:
    """Return whether the shop's loss cap bears the payment too; until the commit nobody else asks it."""
    connection.run(_RISK, {"shop_id": payment.shop_id})
    units = payment.quote.price.units
    return bool(connection.run(_BEARS, {"shop_id": payment.shop_id, "units": str(units)})[0][0])


def _one_by_order(
    connection: Connection, rule: "partial[Sequence[Fact]]", found: Sequence[Stored[Payment]]
) -> Callable[[Stored[Payment]], Sequence[Fact]]:
    """Return the rule, told whether a payment's order was settled by another, in this batch or before."""
    unsettled = [payment.state.order_id for payment in found if not payment.state.settled]
    rows = connection.run(_SETTLED, {"order_ids": unsettled}) if unsettled else ()
    paid: dict[str, str] = {order_id: payment_id for payment_id, order_id in rows}

    def one(payment: Stored[Payment]) -> Sequence[Fact]:
        state = payment.state
        facts: Sequence[Fact] = rule(state, rival=paid.get(state.order_id, state.payment_id) != state.payment_id)
        if any(isinstance(fact, PaymentSettled) for fact in facts):
            paid[state.order_id] = state.payment_id
        elif any(isinstance(fact, PaymentReversed) for fact in facts) and paid.get(state.order_id) == state.payment_id:
            del paid[state.order_id]
        return facts

    return one


def _violated(error: DatabaseError) -> str | None:
    """Return the name of the unique index that an error is about, None for any other error."""
    told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    return str(told.get("n")) if told.get("C") == _UNIQUE else None
