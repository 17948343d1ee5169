"""Refunds in Postgres: looked up on their payments, asked for by one statement, sent under a fenced lease.

Whoever sends writes in a transaction that first renews the lease under its epoch: who lost it meanwhile finds no row,
and nothing of what they wrote remains. The slots of a signature are rows with a key of their own in that commit.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from typing import Final

from pg8000.exceptions import DatabaseError
from pydantic import TypeAdapter

from shared.adapters.postgres.database import Connection, Database, Row, Sql
from shared.adapters.postgres.leases import Lease, acquire, release, renew
from shared.adapters.postgres.ledger import HISTORY, happened
from shared.adapters.postgres.payments import TABLE, append_all
from shared.adapters.postgres.refusals import Moved, code_of
from shared.adapters.postgres.statement import rows_sql
from shared.adapters.postgres.store import StateStore, stored
from shared.kernel.decision import By, Page, Stored
from shared.kernel.encoding import to_json
from shared.kernel.errors import Bug, Fenced
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, OrderId, PaymentId, RefundId, ShopId
from shared.orders.facts import OrderLine
from shared.payments.facts import RefundConfirmed, RefundFailed, RefundSigned
from shared.payments.ledger import Position, moved
from shared.payments.model import Payment
from shared.payments.refund_lines import LineValue
from shared.payments.refund_model import OPEN, POLICY, Refund, RefundState
from shared.payments.refund_ports import SendTurn, SlotTaken
from shared.payments.refunds import find

LEASE_S: Final = 30.0
"""Longer than a draft takes to be signed; every write renews it."""
_UNIQUE: Final = "23505"

_PAYMENT_OF: Final = Sql("select payment_id from payments where refunds <> '[]' and refunds @> :refund::jsonb")
_WATCHED: Final = Sql("select from watched_addresses where chain = :chain and watch_key = :watch_key")
_GIVEN_SINCE: Final = Sql(
    "select coalesce(sum((r.refund -> 'worth' ->> 'units')::numeric), 0) from payments p,"
    " lateral jsonb_array_elements(p.refunds) r(refund)"
    " where p.shop_id = :shop_id and p.refunds <> '[]' and r.refund ->> 'by_customer' = 'false'"
    " and r.refund -> 'approved_by' @> :policy::jsonb and r.refund ->> 'state' <> 'declined'"
    " and (r.refund ->> 'requested_at')::timestamptz > :since::timestamptz"
)
_SHOP: Final = Sql("select from shops where shop_id = :shop_id and merchant_id = :merchant_id")
_OF_SHOP: Final = Sql(
    "select r.refund ->> 'refund_id', r.refund::text, p.payment_id from payments p,"
    " lateral jsonb_array_elements(p.refunds) r(refund)"
    " where p.shop_id = :shop_id and p.merchant_id = :merchant_id and p.refunds <> '[]'"
    " and (:state::text is null or r.refund ->> 'state' = :state::text)"
    " and (:before::text is null or r.refund ->> 'refund_id' < :before::text)"
    " order by 1 desc limit :limit::int"
)
_THESE: Final = rows_sql(TABLE, "where payment_id = any(:payment_ids::text[])")
_OPEN: Final = rows_sql(
    TABLE,
    "where chain = :chain and payment_id > :after and refunds <> '[]' and ("
    + " or ".join(f"""refunds @> '[{{"state": "{state}"}}]'""" for state in sorted(OPEN))
    + ") order by payment_id limit :limit::int",
)
_LINES: Final = Sql("select lines::text from orders where order_id = :order_id")
_ORDER_LINES: Final = TypeAdapter(tuple[OrderLine, ...])
_HEIGHTS: Final = Sql("select height, final_height from chain_cursors where chain = :chain")
_TAKEN: Final = Sql("select slot from hot_wallet_slots where chain = :chain and not spent")
_TAKE: Final = Sql(
    "insert into hot_wallet_slots (chain, slot, refund_id, payment_id)"
    " select :chain, slot, :refund_id, :payment_id from unnest(:slots::text[]) s(slot)"
)
_SPENT: Final = Sql(
    "update hot_wallet_slots set spent = true"
    " where chain = :chain and refund_id = :refund_id and slot = any(:slots::text[]) and not spent"
)
_FREED: Final = Sql("delete from hot_wallet_slots where chain = :chain and refund_id = :refund_id and not spent")


class PostgresRefunds(StateStore[Payment]):
    """Fulfils `shared.payments.refund_ports.RefundStore`."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, TABLE, region=region)

    async def position(self, payment_id: PaymentId) -> Position | None:
        """Return the fold of all facts of the payment so far."""
        return await _position(self._db, payment_id)

    async def payment_of(self, refund_id: RefundId) -> PaymentId | None:
        """Return the payment whose refund it is, or None."""
        rows = await self._db.run(_PAYMENT_OF, refund=to_json([{"refund_id": refund_id}]))
        return PaymentId(rows[0][0]) if rows else None

    async def given_since(self, shop_id: ShopId, since: datetime) -> int:
        """Return the minor units that the shop's people gave back since then and nobody else agreed to."""
        rows = await self._db.run(_GIVEN_SINCE, shop_id=shop_id, since=since, policy=to_json(POLICY))
        return int(rows[0][0])

    async def lines(self, order_id: OrderId) -> Sequence[LineValue]:
        """Return what was paid for each line of the order."""
        rows = await self._db.run(_LINES, order_id=order_id)
        lines = _ORDER_LINES.validate_json(rows[0][0]) if rows else ()
        return [LineValue(line.payable, line.quantity) for line in lines]

    async def watched(self, chain: str, key: str) -> bool:
        """Return whether the address is one that payments were asked to."""
        return bool(await self._db.run(_WATCHED, chain=chain, watch_key=key))

    async def of_shop(
        self, shop_id: ShopId, merchant_id: MerchantId, *, state: RefundState | None, before: str | None, limit: int
    ) -> Page[tuple[Payment, Refund]] | None:
        """Return the shop's refunds, newest first, after the cursor; None when the merchant has no such shop."""
        asked = {"shop_id": shop_id, "merchant_id": merchant_id, "state": state, "before": before}
        rows = await self._db.run(_OF_SHOP, **asked, limit=limit + 1)
        if not rows and not await self._db.run(_SHOP, shop_id=shop_id, merchant_id=merchant_id):
            return None
        shown = rows[:limit]
        payments = await self._db.run(_THESE, payment_ids=sorted({row[2] for row in shown}))
        payment_by_id = {payment.state.payment_id: payment.state for payment in map(_stored, payments)}
        page = [(payment_by_id[PaymentId(row[2])], Refund.model_validate_json(row[1])) for row in shown]
        return page, shown[-1][0] if len(rows) > limit else None


class PostgresSendings:
    """Fulfils `shared.payments.refund_ports.Sendings`."""

    def __init__(self, db: Database, *, region: str, lease_s: float = LEASE_S) -> None:
        self._db = db
        self._region = region
        self._lease_s = lease_s

    async def take(self, chain: str, owner: str) -> SendTurn | None:
        """Return a turn under a fresh epoch, or None while another sender has the lease."""

        def work(connection: Connection) -> SendTurn | None:
            lease = acquire(connection, _name(chain), owner, ttl_s=self._lease_s)
            if lease is None:
                return None
            rows = connection.run(_HEIGHTS, {"chain": chain})
            height, final_height = rows[0] if rows else (-1, -1)
            return SendTurn(chain, owner, lease.generation, lease.epoch, height, final_height)

        return await self._db.transaction(work)

    async def release(self, turn: SendTurn) -> None:
        """Let the next sender in at once; nothing happens when there is one already."""
        await self._db.call(lambda connection: release(connection, _lease(turn)))

    async def open(self, turn: SendTurn, *, after: str, limit: int) -> Sequence[Stored[Payment]]:
        """Return payments of the chain that have open refunds, in the order of their ids, from after that one on."""
        return [_stored(row) for row in await self._db.run(_OPEN, chain=turn.chain, after=after, limit=limit)]

    async def position(self, payment_id: PaymentId) -> Position | None:
        """Return the fold of all facts of the payment so far."""
        return await _position(self._db, payment_id)

    async def taken(self, turn: SendTurn) -> frozenset[str]:
        """Return the slots of the chain that belong to a refund and may still be in nobody's final block."""
        return frozenset(slot for (slot,) in await self._db.run(_TAKEN, chain=turn.chain))

    async def record(
        self, turn: SendTurn, found: Stored[Payment], facts: Sequence[Fact], *, by: By, now: datetime
    ) -> Stored[Payment] | None:
        """Append facts of one refund with what they take or free of the hot wallet, under the turn's epoch."""

        def work(connection: Connection) -> Stored[Payment]:
            if not renew(connection, _lease(turn), ttl_s=self._lease_s):
                raise Fenced(f"{turn.chain} is sent on by another process.")
            for fact in facts:
                _keep_slots(connection, turn.chain, found.state, fact)
            append_all(connection, [(found, facts)], by=by, now=now, region=self._region)
            return _stored(connection.run(_THESE, {"payment_ids": [found.state.payment_id]})[0])

        try:
            return await self._db.transaction(work)
        except Moved:
            return None
        except DatabaseError as error:
            if code_of(error) != _UNIQUE:
                raise
            raise SlotTaken(f"{turn.chain}: a coin or nonce belongs to another refund") from error


def _keep_slots(connection: Connection, chain: str, payment: Payment, fact: Fact) -> None:
    """Take the slots of a signature; when one of a refund's transactions is final, free those that it did not use."""
    if isinstance(fact, RefundSigned | RefundConfirmed | RefundFailed):
        refund = find(payment, fact.refund_id)
        if refund is None:
            raise Bug(f"nobody asked for {fact.refund_id}")
        whose = {"chain": chain, "refund_id": refund.refund_id}
        before = {slot for signed in refund.signed for slot in signed.slots}
        if isinstance(fact, RefundSigned):
            fresh = sorted(set(fact.slots) - before)
            connection.run(_TAKE, {**whose, "payment_id": payment.payment_id, "slots": fresh})
            return
        used = next(signed.slots for signed in refund.signed if signed.txid == fact.txid)
        connection.run(_SPENT, {**whose, "slots": list(used)})
        connection.run(_FREED, whose)


async def _position(db: Database, payment_id: PaymentId) -> Position | None:
    history = [happened(*row) for row in await db.run(HISTORY, id=payment_id)]
    start: Position | None = None
    return reduce(lambda position, one: moved(position, one.fact), history, start)


def _stored(row: Row) -> Stored[Payment]:
    return stored(Payment, row)


def _name(chain: str) -> str:
    return f"send:{chain}"


def _lease(turn: SendTurn) -> Lease:
    return Lease(_name(turn.chain), turn.owner, turn.generation, turn.epoch)
