"""Runs and differences of reconciliation as merchants see them, and who acknowledged what."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from shared.adapters.postgres.database import Connection, Database, Row, Sql
from shared.adapters.postgres.recording import once_params
from shared.adapters.postgres.statement import CLAIM
from shared.adapters.postgres.store import answered, stored_reply
from shared.kernel.decision import AlreadyAnswered, By, Claim, Page, Window
from shared.kernel.errors import Bug
from shared.kernel.ids import DifferenceId, MerchantId, ShopId
from shared.kernel.reply import Reply
from shared.payments.get_reconciliation import EXPLAINED, DifferenceView, RunView
from shared.payments.reconciliation import Kind

_RUNS: Final = Sql(
    """
select last.* from (select distinct scope from reconciliation_runs) as each
 cross join lateral (
   select scope, state, depth, height, block_hash, began_at, ended_at from reconciliation_runs r
    where r.scope = each.scope and began_at < :before::timestamptz order by began_at desc limit 1) as last
 order by last.scope
"""
)
_COLUMNS: Final = (
    "difference_id, scope, kind, payment_id, shop_id, asset, address, txid, position, expected, found, height,"
    " opened_at, seen_at, closed_at, closing, acknowledged_at, acknowledged_by, reason"
)
_OWN: Final = "merchant_id = :merchant_id and (:shop_ids::text[] is null or shop_id = any(:shop_ids::text[]))"
_DIFFERENCES: Final = Sql(
    f"select {_COLUMNS} from reconciliation_differences where {_OWN} and difference_id > :after"
    " and case when :starts::text is null then closed_at is null else opened_at < :ends::text::timestamptz"
    " and (closed_at is null or closed_at >= :starts::text::timestamptz) end"
    " order by difference_id limit :limit::int"
)
_ACKNOWLEDGE: Final = Sql(
    "update reconciliation_differences set acknowledged_at = coalesce(acknowledged_at, clock_timestamp()),"
    " acknowledged_by = coalesce(acknowledged_by, :who),"
    " reason = case when acknowledged_at is null then :reason else reason end"
    f" where difference_id = :difference_id and closed_at is null and {_OWN} returning {_COLUMNS}"
)
_NOW: Final = Sql("select clock_timestamp()")


class _KeyInUse(Exception):
    """The Idempotency-Key was used before: nothing is changed."""


class PostgresReconciliations:
    """Fulfils `shared.payments.get_reconciliation.Reconciliations`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def runs(self, before: datetime) -> Sequence[RunView]:
        """Return the last run of each scope that began before a moment."""
        names = ("scope", "state", "depth", "height", "block_hash", "began_at", "ended_at")
        rows = await self._db.run(_RUNS, before=before)
        return [RunView.model_validate(dict(zip(names, row, strict=True))) for row in rows]

    async def differences(
        self,
        merchant_id: MerchantId,
        shop_ids: frozenset[ShopId] | None,
        during: Window | None,
        *,
        after: str | None,
        limit: int,
    ) -> Page[DifferenceView]:
        """Return the merchant's differences that were open during some time, or are open; ids order them by age."""
        rows = await self._db.run(
            _DIFFERENCES,
            merchant_id=merchant_id,
            shop_ids=None if shop_ids is None else sorted(shop_ids),
            after=after or "",
            starts=during.start.isoformat() if during else None,
            ends=during.end.isoformat() if during else None,
            limit=limit + 1,
        )
        shown = [_shown(row) for row in rows[:limit]]
        return shown, shown[-1].difference_id if len(rows) > limit else None

    async def acknowledge(
        self,
        difference_id: DifferenceId,
        merchant_id: MerchantId,
        shop_ids: frozenset[ShopId] | None,
        reason: str,
        *,
        by: By,
    ) -> Reply[DifferenceView] | None:
        """Note that somebody knows; the first who does stays. Raises AlreadyAnswered and KeyReused."""
        if not isinstance(by.once, Claim):
            raise Bug("acknowledging needs an Idempotency-Key")
        claim = by.once
        params = {
            "difference_id": difference_id,
            "merchant_id": merchant_id,
            "shop_ids": None if shop_ids is None else sorted(shop_ids),
            "who": by.actor,
            "reason": reason,
        }

        def work(connection: Connection) -> Reply[DifferenceView] | None:
            rows = connection.run(_ACKNOWLEDGE, params)
            if not rows:
                return None
            reply = Reply(_shown(rows[0]))
            now: datetime = connection.run(_NOW, {})[0][0]
            if not connection.run(CLAIM, once_params(claim, reply.stored, now)):
                raise _KeyInUse
            return reply

        try:
            kept = await self._db.transaction(work)
        except _KeyInUse:
            raise await answered(self._db, claim) from None
        if kept is None and (said := await stored_reply(self._db, claim)) is not None:
            raise AlreadyAnswered(said)  # it is gone by now, and was there when the key was first used
        return kept


def _shown(row: Row) -> DifferenceView:
    names = [name.strip() for name in _COLUMNS.split(",")]
    told = dict(zip(names, row, strict=True))
    units = {name: None if told[name] is None else int(told[name]) for name in ("expected", "found")}
    return DifferenceView.model_validate({**told, **units, "explanation": EXPLAINED[Kind(told["kind"])]})
