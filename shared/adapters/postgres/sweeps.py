"""Sweeps in Postgres: their streams, changed in one commit with those of the payments whose coins they move."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from shared.adapters.postgres.database import Connection, Database, Sql
from shared.adapters.postgres.payments import TABLE as PAYMENTS
from shared.adapters.postgres.payments import append_all
from shared.adapters.postgres.recording import once_params, prepare
from shared.adapters.postgres.refusals import KeyTaken, Moved
from shared.adapters.postgres.statement import StateTable, append_sql, rows_sql
from shared.adapters.postgres.store import StateStore, answered, stored
from shared.kernel.decision import By, Claim, Decided, Page, Stored
from shared.kernel.encoding import to_json
from shared.kernel.errors import Bug, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, PaymentId, ShopId, SweepId
from shared.kernel.money import Asset
from shared.kernel.reply import Reply
from shared.payments.facts import SweepPlanned
from shared.payments.model import Payment
from shared.payments.sweep_model import Sweep, SweepView
from shared.payments.sweeps import evolve
from shared.shops.accounts import Family
from shared.shops.facts import PayoutAccount
from shared.shops.payout import FormerAccount

if TYPE_CHECKING:
    from shared.adapters.account_keys import SealedAccountKeys

TABLE: Final = StateTable(name="sweeps", key="sweep_id", model=Sweep, evolve=evolve)
CANDIDATES: Final = 2_000
_APPEND: Final = {once: append_sql(TABLE, once, None) for once in ("claim", "")}
_MERCHANT: Final = Sql("select merchant_id from shops where shop_id = :shop_id")
_OVER: Final = rows_sql(
    PAYMENTS,
    """where shop_id = :shop_id and chain = :chain and transfers <> '[]' and payment_id > :after
   and (final or expired or closed is not null)
   and (sweeps = '[]' or sweeps @> '[{"stage": "dropped"}]'
        or jsonb_array_length(transfers) > (select count(*) from jsonb_array_elements(sweeps) s))
 order by payment_id limit :limit::int""",
)
_ACCOUNTS_OF: Final = Sql(
    "select payment_id, fingerprint from receive_addresses where payment_id = any(:payment_ids::text[])"
)
_KEYS: Final = Sql("select payout::text, former::text from shops where shop_id = :shop_id")
_CURSOR: Final = Sql("select height, final_height from chain_cursors where chain = :chain")
_WATCHED: Final = Sql("select from watched_addresses where chain = :chain and watch_key = :key")
_LOCK: Final = rows_sql(PAYMENTS, "where payment_id = any(:payment_ids::text[]) order by payment_id for update")
_LOCK_SWEEP: Final = rows_sql(TABLE, "where sweep_id = :sweep_id for update")
_OPEN: Final = rows_sql(TABLE, "where chain = :chain and state in ('planned', 'seen', 'confirmed') order by sweep_id")
_PAGE: Final = rows_sql(
    TABLE,
    "where shop_id = :shop_id and (:before::text is null or sweep_id < :before::text)"
    " order by sweep_id desc limit :limit::int",
)
_OUTFLOWS: Final = Sql(
    "select watch_key, txid, asset, units, height from address_outflows"
    " where chain = :chain and watch_key = any(:keys::text[])"
)
_PAYOUT: Final = TypeAdapter(dict[str, PayoutAccount])
_FORMER: Final = TypeAdapter(tuple[FormerAccount, ...])

Rule = Callable[[Sweep, Mapping[PaymentId, Payment]], tuple[Sequence[Fact], Mapping[PaymentId, Sequence[Fact]]]]


class PostgresSweeps(StateStore[Sweep]):
    """Fulfils `shared.payments.sweep_ports.SweepStore`. Without `keys` no account is opened."""

    def __init__(self, db: Database, *, region: str, keys: "SealedAccountKeys | None" = None) -> None:
        super().__init__(db, TABLE, region=region)
        self._keys = keys

    async def merchant_of(self, shop_id: ShopId) -> MerchantId | None:
        """Return whose shop it is, or None when there is none."""
        rows = await self._db.run(_MERCHANT, shop_id=shop_id)
        return MerchantId(rows[0][0]) if rows else None

    async def candidates(self, shop_id: ShopId, chain: str) -> Sequence[tuple[Stored[Payment], str]]:
        """Return payments that something arrived for and that may have coins left, each with its account."""
        rows = await self._db.run(_OVER, shop_id=shop_id, chain=chain, after="", limit=CANDIDATES)
        payments = [stored(Payment, row) for row in rows]
        ids = [payment.state.payment_id for payment in payments]
        accounts = {
            str(pay): str(fingerprint) for pay, fingerprint in await self._db.run(_ACCOUNTS_OF, payment_ids=ids)
        }
        return [(each, accounts[each.state.payment_id]) for each in payments if each.state.payment_id in accounts]

    async def account_keys(self, shop_id: ShopId, family: str) -> Mapping[str, str]:
        """Return the shop's account keys of a family in clear, present and former ones, by fingerprint."""
        if self._keys is None:
            raise Bug("account keys are opened only where a sweep is planned")
        ((payout, former),) = await self._db.run(_KEYS, shop_id=shop_id)
        accounts = [account for name, account in _PAYOUT.validate_json(payout).items() if name == family]
        accounts += [each.account for each in _FORMER.validate_json(former) if each.family == family]
        return {account.fingerprint: self._keys.open(shop_id, Family(family), account) for account in accounts}

    async def cursor(self, chain: str) -> tuple[int, int] | None:
        """Return (height, final height) up to which the chain was read, or None."""
        rows = await self._db.run(_CURSOR, chain=chain)
        return (int(rows[0][0]), int(rows[0][1])) if rows else None

    async def watched(self, chain: str, key: str) -> bool:
        """Return whether the key is a receive address that was ever shown."""
        return bool(await self._db.run(_WATCHED, chain=chain, key=key))

    async def plan(
        self,
        planned: SweepPlanned,
        reserved: Mapping[PaymentId, tuple[Stored[Payment], Sequence[Fact]]],
        *,
        by: By,
        now: datetime,
        reply: Callable[[Stored[Sweep]], Reply[SweepView]],
    ) -> Stored[Sweep] | None:
        """Append the plan and reserve its coins in one commit; None when a payment moved on meanwhile."""

        def work(connection: Connection) -> Stored[Sweep]:
            rows = connection.run(_LOCK, {"payment_ids": list(reserved)})
            for row in rows:
                payment = stored(Payment, row)
                if payment.version != reserved[payment.state.payment_id][0].version:
                    raise Moved
            append_all(connection, list(reserved.values()), by=by, now=now, region=self._region)
            return self._append_in(connection, planned.sweep_id, None, (planned,), by=by, now=now, reply=reply)

        try:
            return await self._db.transaction(work)
        except Moved:
            return None
        except KeyTaken as error:
            raise await answered(self._db, by.once) from error

    def _append_in(
        self,
        connection: Connection,
        sweep_id: SweepId,
        found: Stored[Sweep] | None,
        facts: Sequence[Fact],
        *,
        by: By,
        now: datetime,
        reply: Callable[[Stored[Sweep]], Reply[SweepView]] | None = None,
    ) -> Stored[Sweep]:
        after, ready = prepare(TABLE, sweep_id, found, Decided(facts), by=by, now=now, region=self._region, reply=reply)
        params: dict[str, object] = {
            "version": ready.version,
            "head": ready.head,
            "row": ready.row,
            "expected": ready.expected,
            "events": to_json(ready.events),
            "outbox": to_json(ready.outbox),
            **once_params(ready.once, ready.reply, now),
        }
        connection.run(_APPEND["claim" if isinstance(ready.once, Claim) else ""], params)
        return after

    async def open(self, chain: str) -> Sequence[Sweep]:
        """Return the sweeps of a chain that are neither final nor dropped."""
        return [stored(Sweep, row).state for row in await self._db.run(_OPEN, chain=chain)]

    async def outflows(self, chain: str, keys: Sequence[str]) -> Sequence[tuple[str, str, Asset, int, int]]:
        """Return (watch key, txid, asset, units, height) of what left these addresses in the best chain."""
        rows = await self._db.run(_OUTFLOWS, chain=chain, keys=list(keys))
        return [(key, txid, Asset(asset), int(units), int(height)) for key, txid, asset, units, height in rows]

    async def advance(self, sweep_id: SweepId, rule: Rule, *, by: By, now: datetime) -> Stored[Sweep]:
        """Decide about a sweep and its payments, all of them locked, in one commit. Raises NotFound."""

        def work(connection: Connection) -> Stored[Sweep]:
            rows = connection.run(_LOCK_SWEEP, {"sweep_id": sweep_id})
            if not rows:
                raise NotFound("There is no such sweep.")
            sweep = stored(Sweep, rows[0])
            ids = [coin.payment_id for coin in sweep.state.plan.coins]
            found = {
                PaymentId(payment.state.payment_id): payment
                for payment in (stored(Payment, row) for row in connection.run(_LOCK, {"payment_ids": ids}))
            }
            facts, moved = rule(sweep.state, {each: payment.state for each, payment in found.items()})
            append_all(
                connection,
                [(found[payment_id], told) for payment_id, told in moved.items()],
                by=by,
                now=now,
                region=self._region,
            )
            if not facts:
                return sweep
            return self._append_in(connection, sweep_id, sweep, facts, by=by, now=now)

        return await self._db.transaction(work)

    async def page(self, shop_id: ShopId, *, before: SweepId | None, limit: int) -> Page[Sweep]:
        """Return a shop's sweeps, the newest first."""
        rows = await self._db.run(_PAGE, shop_id=shop_id, before=before, limit=limit + 1)
        found = [stored(Sweep, row).state for row in rows[:limit]]
        return found, found[-1].sweep_id if len(rows) > limit else None
