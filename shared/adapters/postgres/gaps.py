"""Gaps of unpaid addresses in Postgres: of each account the last addresses that were shown, and who was warned."""

from collections.abc import Sequence
from typing import Final

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.statement import StateTable
from shared.adapters.postgres.store import StateStore
from shared.kernel.decision import By, Decided
from shared.kernel.errors import Fenced, VersionConflict
from shared.kernel.ids import MerchantId, ShopId
from shared.shops.facts import ShopGapLimitNear
from shared.shops.lifecycle import evolve
from shared.shops.model import Shop
from shared.shops.watch_gap_limits import Gap

WARNED: Final = StateTable(
    name="shops",
    key="shop_id",
    model=Shop,
    evolve=evolve,
    extra=""",
noted as (
  insert into gap_warnings as w (fingerprint, family, last_paid, unused)
  values (:fingerprint, :family, :last_paid::bigint, :unused::bigint)
  on conflict (fingerprint, family, last_paid) do update
     set unused = case when refuse('CR004', 'there was a warning') then w.unused end
  returning 1)""",
)
_WIDEST: Final = Sql(
    """
select c.fingerprint, c.family, last.shop_id, last.merchant_id, gap.paid, last.index - gap.paid,
       exists (select from gap_warnings w
                where w.fingerprint = c.fingerprint and w.family = c.family and w.last_paid = gap.paid)
  from derivation_counters c
  cross join lateral (
    select a.derivation_index as index, p.shop_id, p.merchant_id
      from receive_addresses a join payments p using (payment_id)
     where a.fingerprint = c.fingerprint and a.family = c.family and a.shown_at is not null
     order by a.derivation_index desc limit 1) last
  cross join lateral (
    select coalesce(max(index) filter (where paid), min(index) - 1) as paid
      from (select a.derivation_index as index, p.transfers <> '[]' as paid
              from receive_addresses a join payments p using (payment_id)
             where a.fingerprint = c.fingerprint and a.family = c.family and a.shown_at is not null
             order by a.derivation_index desc limit :look_at::int) shown) gap
"""
)


class PostgresGaps(StateStore[Shop]):
    """Fulfils `shared.shops.watch_gap_limits.Gaps`."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, WARNED, region=region)

    async def widest(self, *, look_at: int) -> Sequence[Gap]:
        """Return the gap of every account in use, of each the last `look_at` addresses looked at."""
        return [
            Gap(fingerprint, family, ShopId(shop_id), MerchantId(merchant_id), int(paid), int(unused), warned)
            for fingerprint, family, shop_id, merchant_id, paid, unused, warned in await self._db.run(
                _WIDEST, look_at=look_at
            )
        ]

    async def warn(self, gap: Gap, warning: ShopGapLimitNear, *, by: By) -> bool:
        """Append the warning, unless there was one since the last payment; return whether it was appended."""
        params = {
            "fingerprint": gap.fingerprint,
            "family": gap.family,
            "last_paid": gap.last_paid,
            "unused": gap.unused,
        }
        decided = Decided((warning,), params=params)
        try:
            await self.decide(gap.shop_id, lambda _: decided, by=by, now=warning.at)
        except (Fenced, VersionConflict):
            return False
        return True
