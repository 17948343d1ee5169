"""Reconciliation in Postgres: what is compared, its runs under fenced leases, its differences until they are gone."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

import msgspec

from shared.adapters.postgres.database import Connection, Database, Sql
from shared.adapters.postgres.leases import Lease, acquire, release, renew
from shared.adapters.postgres.ledger import by_shop, happened, line_of
from shared.adapters.postgres.ledger_snapshots import BALANCES
from shared.adapters.postgres.payments import TABLE as PAYMENTS
from shared.adapters.postgres.statement import rows_sql
from shared.adapters.postgres.store import stored
from shared.kernel.encoding import to_json
from shared.kernel.errors import Fenced
from shared.kernel.ids import DifferenceId, EventId, MerchantId, PaymentId, ShopId, uuid7_hex
from shared.kernel.money import Asset
from shared.payments.bookkeeping import Balances
from shared.payments.chain import BlockRef
from shared.payments.ledger import Entry, Happened
from shared.payments.model import Payment
from shared.payments.reconcile_payments import Opened, Outcome, Run, Summary
from shared.payments.reconciliation import BOOKS, Booked, Difference, Kind
from shared.payments.reconciliation_chain import Receiver, credited, found_later, swept
from shared.payments.refund_model import Refund

LEASE_S: Final = 900.0
"""Longer than a run takes; the end of a run that outlasted it is refused where another has begun."""
WHOLE_EVERY: Final = timedelta(hours=24)
"""So often everything is compared; in between, what changed lately and what an open difference is about."""
LATELY: Final = timedelta(days=7)

_FINAL: Final = Sql(
    "select b.height, b.block_hash, b.block_time from chain_cursors c"
    " join chain_blocks b on b.chain = c.chain and b.height = c.final_height where c.chain = :scope"
)
_BEGIN: Final = Sql(
    """
with before as (
  select max(height) height, max(began_at) filter (where depth = 'whole') whole_at
    from reconciliation_runs where scope = :scope and state = 'complete'),
begun as (
  insert into reconciliation_runs (run_id, scope, depth, state, height, block_hash, began_at)
  select :run_id, :scope,
         case when whole_at > clock_timestamp() - make_interval(secs => :whole_s::float8) then 'recent'
              else 'whole' end,
         'running', :height::bigint, :block_hash, clock_timestamp()
    from before
  returning depth, began_at)
select depth, began_at, before.height,
       (select coalesce(jsonb_object_agg(payment_id, txids), '{}')::text
          from (select payment_id, jsonb_agg(distinct txid) txids from reconciliation_differences
                 where scope = :scope and closed_at is null and txid is not null and payment_id is not null
                 group by 1) as open),
       (select coalesce(totals -> 'funded', '{}')::text from reconciliation_runs
         where scope = :scope and state = 'complete' order by began_at desc limit 1),
       array(select asset from reconciliation_differences
              where scope = :scope and kind = 'hot_wallet_short' and closed_at is null and acknowledged_at is not null)
  from begun, before
"""
)
_IN_SCOPE: Final = (
    "(:since::text::timestamptz is null or changed_at >= :since::text::timestamptz or payment_id in"
    " (select payment_id from reconciliation_differences where closed_at is null and payment_id is not null))"
)
_ROWS: Final = rows_sql(PAYMENTS, f"where payment_id > :after and {_IN_SCOPE} order by payment_id limit :limit::int")
_EVENTS: Final = Sql(
    "select stream, version, id, at, type, body from events where stream = any(:ids::text[]) order by stream, version"
)
_POSTED: Final = Sql(
    "select e.payment_id, e.version, e.event_id, e.type, e.merchant_id, e.shop_id, e.at, p.book, p.asset, p.account,"
    " p.units, (p.merchant_id, p.shop_id, p.at) is distinct from (e.merchant_id, e.shop_id, e.at)"
    " from ledger_entries e left join ledger_postings p using (payment_id, version)"
    " where e.payment_id = any(:ids::text[]) order by e.payment_id, e.version"
)
_UNCAUSED: Final = Sql(
    """
select e.payment_id, e.version, e.type, e.merchant_id, e.shop_id
  from ledger_entries e left join events v on v.stream = e.payment_id and v.version = e.version and v.id = e.event_id
 where v.id is null
   and (:since::text::timestamptz is null or e.posted_at >= :since::text::timestamptz or e.payment_id in
        (select payment_id from reconciliation_differences where closed_at is null and payment_id is not null))
 order by e.payment_id, e.version limit 1000
"""
)
_ROWLESS: Final = Sql(
    """
select v.stream, v.merchant_id from events v
 where v.type = 'payment.requested.v1' and not exists (select from payments p where p.payment_id = v.stream)
   and (:since::text::timestamptz is null or v.at >= :since::text::timestamptz or v.stream in
        (select payment_id from reconciliation_differences where closed_at is null and payment_id is not null))
 order by v.stream limit 1000
"""
)
_BALANCES: Final = Sql(
    "select shop_id, book, asset, account, sum(units) from ledger_postings group by 1, 2, 3, 4 having sum(units) <> 0"
)
_RECEIVERS: Final = rows_sql(
    PAYMENTS, f"where chain = :scope and payment_id > :after and {_IN_SCOPE} order by payment_id limit :limit::int"
)
_TREASURIES: Final = Sql("select sweep_id, plan ->> 'to_key' from sweeps where sweep_id = any(:ids::text[])")
_REFUNDS: Final = Sql(
    "select refund::text from payments, jsonb_array_elements(refunds) refund where chain = :scope and refunds <> '[]'"
)
_FOUND: Final = Sql(
    """
with found as (
  select * from jsonb_to_recordset(:found::jsonb)
    as f(difference_id text, name text, scope text, kind text, payment_id text, shop_id text, merchant_id text,
         asset text, address text, txid text, position bigint, expected numeric, found numeric, height bigint,
         says text, closing text)),
kept as (
  insert into reconciliation_differences as d
         (difference_id, name, scope, kind, payment_id, shop_id, merchant_id, asset, address, txid, position, expected,
          found, height, says, first_run, last_run, opened_at, seen_at, closed_at, closing)
  select f.difference_id, f.name, f.scope, f.kind, f.payment_id, f.shop_id,
         coalesce(f.merchant_id, (select s.merchant_id from shops s where s.shop_id = f.shop_id)),
         f.asset, f.address, f.txid, f.position, f.expected, f.found, f.height, f.says, :run_id, :run_id, :now, :now,
         case when f.closing is not null then :now::timestamptz end, f.closing
    from found f
  on conflict (name) where closed_at is null do update
     set last_run = excluded.last_run, seen_at = excluded.seen_at, height = excluded.height, says = excluded.says,
         expected = excluded.expected, found = excluded.found,
         acknowledged_at = case when (d.expected, d.found) is not distinct from (excluded.expected, excluded.found)
                                then d.acknowledged_at end,
         acknowledged_by = case when (d.expected, d.found) is not distinct from (excluded.expected, excluded.found)
                                then d.acknowledged_by end,
         closed_at = excluded.closed_at, closing = excluded.closing
  returning difference_id, name, first_run = :run_id as new)
select difference_id, name from kept where new
"""
)
"""A difference that somebody acknowledged is one again when its units change."""
_GONE: Final = Sql(
    "update reconciliation_differences set closed_at = :now, closing = 'gone'"
    " where scope = :scope and closed_at is null and last_run <> :run_id and kind = any(:covered::text[])"
)
_OPEN: Final = Sql(
    "select kind, count(*), count(*) filter (where acknowledged_at is null) from reconciliation_differences"
    " where scope = :scope and closed_at is null group by 1"
)
_END: Final = Sql(
    "update reconciliation_runs set state = :state, reason = :reason, compared = :compared::bigint,"
    " posted = :posted::bigint, found = :found_count::bigint, totals = :totals::jsonb, ended_at = :now"
    " where run_id = :run_id"
)
_NOW: Final = Sql("select clock_timestamp()")


class PostgresRuns:
    """Fulfils `shared.payments.reconcile_payments.Runs`."""

    def __init__(
        self,
        db: Database,
        *,
        lease_s: float = LEASE_S,
        whole_every: timedelta = WHOLE_EVERY,
        lately: timedelta = LATELY,
    ) -> None:
        self._db = db
        self._lease_s = lease_s
        self._whole_every = whole_every
        self._lately = lately

    async def begin(self, scope: str, owner: str) -> Run | None:
        """Return a run, or None while another has the lease, or before the chain has a final block."""

        def work(connection: Connection) -> Run | None:
            block, block_time = None, None
            if scope != BOOKS:
                rows = connection.run(_FINAL, {"scope": scope})
                if not rows:
                    return None
                block, block_time = BlockRef(scope, rows[0][0], rows[0][1]), rows[0][2]
            lease = acquire(connection, _lease_name(scope), owner, ttl_s=self._lease_s)
            if lease is None:
                return None
            run_id = f"run_{uuid7_hex()}"
            params = {"scope": scope, "run_id": run_id, "whole_s": self._whole_every.total_seconds()}
            place = {"height": block.height if block else None, "block_hash": block.hash if block else None}
            depth, began, last_height, suspects, funded, excused = connection.run(_BEGIN, {**params, **place})[0]
            since = began - self._lately if depth == "recent" else None
            epoch = (lease.generation, lease.epoch)
            return Run(
                run_id,
                scope,
                owner,
                *epoch,
                began,
                since,
                block,
                last_height,
                suspects=msgspec.json.decode(suspects, type=dict[str, list[str]]),
                block_time=block_time,
                funded=_units(funded),
                excused=frozenset(Asset(each) for each in excused),
            )

        return await self._db.transaction(work)

    async def books(self, run: Run, *, after: str, limit: int) -> tuple[Sequence[Booked], str | None]:
        """Return a page of payments with their facts, rows and entries, as of one moment."""

        def work(connection: Connection) -> tuple[Sequence[Booked], str | None]:
            connection.execute("set transaction isolation level repeatable read, read only")
            rows = [stored(Payment, row).state for row in connection.run(_ROWS, _page(run, after, limit))]
            ids = [row.payment_id for row in rows]
            told: defaultdict[str, list[Happened]] = defaultdict(list)
            for stream, *fact in connection.run(_EVENTS, {"ids": ids}):
                told[stream].append(happened(*fact))
            posted = _entries(connection, ids)
            page = [Booked(told[row.payment_id], row, posted.get(row.payment_id, ())) for row in rows]
            return page, ids[-1] if len(ids) == limit else None

        return await self._db.transaction(work)

    async def strays(self, run: Run) -> Sequence[Difference]:
        """Return the entries whose fact is in no stream, and the payments whose row is in no table."""
        rowless = [
            Difference(
                BOOKS,
                Kind.ROW_DIFFERS,
                PaymentId(payment_id),
                merchant_id=MerchantId(merchant_id),
                says="there is no row",
            )
            for payment_id, merchant_id in await self._db.run(_ROWLESS, since=_since(run))
        ]
        return rowless + [
            Difference(
                BOOKS,
                Kind.NOT_CAUSED,
                PaymentId(payment_id),
                ShopId(shop_id),
                MerchantId(merchant_id),
                position=version,
                says=f"{type_} is posted, and no fact caused it",
            )
            for payment_id, version, type_, merchant_id, shop_id in await self._db.run(_UNCAUSED, since=_since(run))
        ]

    async def balances(self, run: Run) -> tuple[Mapping[ShopId, Balances], Mapping[ShopId, Balances]]:
        """Return the balances of all shops as they are kept and, in a whole run, added up anew; of one moment."""

        def work(connection: Connection) -> tuple[Mapping[ShopId, Balances], Mapping[ShopId, Balances]]:
            connection.execute("set transaction isolation level repeatable read, read only")
            kept = by_shop(connection.run(BALANCES, {"merchant_id": None, "shop_id": None, "until": "infinity"}))
            return kept, by_shop(connection.run(_BALANCES, {})) if run.since is None else kept

        return await self._db.transaction(work)

    async def receivers(self, run: Run, *, after: str, limit: int) -> tuple[Sequence[Receiver], str | None]:
        """Return a page of the chain's addresses with what was credited there up to the run's block."""
        assert run.block is not None
        rows = await self._db.run(_RECEIVERS, scope=run.scope, **_page(run, after, limit))
        payments = [stored(Payment, row).state for row in rows]
        swept_by = [one.sweep_id for payment in payments for one in payment.sweeps]
        plans = await self._db.run(_TREASURIES, ids=swept_by) if swept_by else ()
        treasury = {str(sweep_id): str(to) for sweep_id, to in plans}
        found = [
            Receiver(
                payment_id=payment.payment_id,
                shop_id=payment.shop_id,
                merchant_id=payment.merchant_id,
                address=payment.address,
                key=payment.watch_key,
                since=payment.requested_at,
                credited=credited(payment, run.block.height),
                sweeps=swept(payment, treasury),
                suspects=frozenset(run.suspects.get(payment.payment_id, ())),
                found_later=found_later(payment, run.block.height),
            )
            for payment in payments
        ]
        return found, payments[-1].payment_id if len(payments) == limit else None

    async def refunds(self, run: Run) -> Sequence[Refund]:
        """Return every refund of the chain's payments."""
        rows = await self._db.run(_REFUNDS, scope=run.scope)
        return [Refund.model_validate_json(refund) for (refund,) in rows]

    async def end(self, run: Run, outcome: Outcome) -> Summary:
        """Keep what was found, close what is gone; all of it or nothing. Raises Fenced."""
        lease = Lease(_lease_name(run.scope), run.owner, run.generation, run.epoch)
        found = {difference.name: difference for difference in outcome.differences}

        def work(connection: Connection) -> Summary:
            if not renew(connection, lease, ttl_s=self._lease_s):
                raise Fenced(f"{run.scope} is reconciled by another process.")
            now: datetime = connection.run(_NOW, {})[0][0]
            kept = {"run_id": run.run_id, "now": now}
            opened: list[Opened] = []
            if found:
                rows = connection.run(_FOUND, {**kept, "found": _found_rows(found.values(), outcome)})
                opened = [Opened(DifferenceId(id_), found[name]) for id_, name in rows]
            covered = [kind.value for kind in outcome.covered]
            connection.run(_GONE, {**kept, "scope": run.scope, "covered": covered})
            open_rows = connection.run(_OPEN, {"scope": run.scope})
            connection.run(_END, {**kept, **_ending(outcome, len(found))})
            release(connection, lease)
            return Summary(
                scope=run.scope,
                complete=not outcome.reason,
                reason=outcome.reason,
                opened=opened,
                open={Kind(kind): count for kind, count, _ in open_rows},
                unacknowledged=sum(row[2] for row in open_rows),
            )

        return await self._db.transaction(work)


def _lease_name(scope: str) -> str:
    return f"reconcile:{scope}"


def _units(totals: str | None) -> dict[Asset, int]:
    told = msgspec.json.decode(totals or "{}", type=dict[str, str])
    return {Asset(asset): int(units) for asset, units in told.items()}


def _since(run: Run) -> str | None:
    return run.since.isoformat() if run.since else None


def _page(run: Run, after: str, limit: int) -> dict[str, Any]:
    return {"after": after, "limit": limit, "since": _since(run)}


def _entries(connection: Connection, ids: Sequence[str]) -> dict[str, list[Entry]]:
    """Return what is posted of these payments. An entry whose postings name another shop or time has another type."""
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    rows = connection.run(_POSTED, {"ids": list(ids)})
    for (payment_id, version), of_entry in groupby(rows, key=lambda row: (row[0], row[1])):
        sides = list(of_entry)
        _, _, event_id, type_, merchant_id, shop_id, at, *_ = sides[0]
        entry = Entry(
            payment_id=PaymentId(payment_id),
            version=version,
            event_id=EventId(event_id),
            type=type_,
            merchant_id=MerchantId(merchant_id),
            shop_id=ShopId(shop_id),
            at=at,
            postings={line_of(*side[7:10]): int(side[10]) for side in sides if side[7] is not None},
        )
        strays = any(side[7] is not None and side[11] for side in sides)
        found[payment_id].append(replace(entry, type=f"{type_}, of another shop or time") if strays else entry)
    return found


def _found_rows(differences: Any, outcome: Outcome) -> str:
    return to_json(
        [
            {
                "difference_id": DifferenceId.new(),
                "name": each.name,
                "scope": each.scope,
                "kind": each.kind.value,
                "payment_id": each.payment_id,
                "shop_id": each.shop_id,
                "merchant_id": each.merchant_id,
                "asset": each.asset,
                "address": each.address,
                "txid": each.txid,
                "position": each.position,
                "expected": None if each.expected is None else str(each.expected),
                "found": None if each.found is None else str(each.found),
                "height": each.height,
                "says": each.says,
                "closing": "posted" if each.kind is Kind.NOT_POSTED and not outcome.reason else None,
            }
            for each in differences
        ]
    )


def _ending(outcome: Outcome, found: int) -> dict[str, Any]:
    totals: dict[str, dict[Asset, str]] = {
        side: {asset: str(units) for asset, units in sums.items()} for side, sums in outcome.totals.items()
    }
    return {
        "state": "incomplete" if outcome.reason else "complete",
        "reason": outcome.reason,
        "compared": outcome.compared,
        "posted": outcome.posted,
        "found_count": found,
        "totals": to_json(totals),
    }
