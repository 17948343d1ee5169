"""What a shop's accounts came to at a moment, kept, so that nobody adds up all of its past.

A snapshot has the postings before `until` of transactions below `xmin_xid`: all of these had ended when it was taken,
so nothing can join them. What is posted later, for whatever time, has a higher transaction and is added from there.
So snapshot and later postings are always the sum of all.
"""

from typing import Final

from shared.adapters.postgres.database import Database, Sql

_TAKE: Final = Sql(
    """
with moment as (
  select date_trunc('hour', clock_timestamp() - make_interval(secs => :age_s::float8)) as until,
         pg_snapshot_xmin(pg_current_snapshot()) as xmin_xid),
due as (
  select s.merchant_id, s.shop_id, m.until, m.xmin_xid, last.until as since, last.xmin_xid as since_xid, last.balances
    from shops s cross join moment m
    left join lateral (
      select l.until, l.xmin_xid, l.balances from ledger_snapshots l
       where l.merchant_id = s.merchant_id and l.shop_id = s.shop_id order by l.until desc limit 1) last on true
   where m.until > coalesce(last.until, '-infinity')
     and exists (select from ledger_postings p where p.merchant_id = s.merchant_id and p.shop_id = s.shop_id
                    and p.at >= coalesce(last.until, '-infinity') and p.at < m.until)
   limit :limit::int),
taken as (
  insert into ledger_snapshots (merchant_id, shop_id, until, xmin_xid, balances)
  select d.merchant_id, d.shop_id, d.until, d.xmin_xid,
         (select coalesce(jsonb_agg(jsonb_build_array(book, asset, account, units::text)), '[]')
            from (select book, asset, account, sum(units) as units from (
                    select b ->> 0 as book, b ->> 1 as asset, b ->> 2 as account, (b ->> 3)::numeric as units
                      from jsonb_array_elements(d.balances) b
                    union all
                    select p.book, p.asset, p.account, p.units from ledger_postings p
                     where p.merchant_id = d.merchant_id and p.shop_id = d.shop_id
                       and p.at >= coalesce(d.since, '-infinity') and p.at < d.until and p.xid < d.xmin_xid
                    union all
                    select p.book, p.asset, p.account, p.units from ledger_postings p
                     where p.merchant_id = d.merchant_id and p.shop_id = d.shop_id
                       and p.at < d.since and p.xid >= d.since_xid and p.xid < d.xmin_xid) each
                   group by 1, 2, 3 having sum(units) <> 0) sums)
    from due d
  on conflict do nothing
  returning 1)
select count(*) from taken
"""
)
BALANCES: Final = Sql(
    """
select s.shop_id, sums.book, sums.asset, sums.account, sums.units
  from shops s
  left join lateral (
    select l.until, l.xmin_xid, l.balances from ledger_snapshots l
     where l.merchant_id = s.merchant_id and l.shop_id = s.shop_id and l.until <= :until::text::timestamptz
     order by l.until desc limit 1) last on true
 cross join lateral (
    select book, asset, account, sum(units) as units from (
      select b ->> 0 as book, b ->> 1 as asset, b ->> 2 as account, (b ->> 3)::numeric as units
        from jsonb_array_elements(last.balances) b
      union all
      select p.book, p.asset, p.account, p.units from ledger_postings p
       where p.merchant_id = s.merchant_id and p.shop_id = s.shop_id
         and p.at >= coalesce(last.until, '-infinity') and p.at < :until::text::timestamptz
      union all
      select p.book, p.asset, p.account, p.units from ledger_postings p
       where p.merchant_id = s.merchant_id and p.shop_id = s.shop_id
         and p.at < last.until and p.xid >= last.xmin_xid) each
     group by 1, 2, 3 having sum(units) <> 0) sums
 where (:merchant_id::text is null or s.merchant_id = :merchant_id::text)
   and (:shop_id::text is null or s.shop_id = :shop_id::text)
"""
)
"""The balances of what happened before `until`, per shop: of one merchant's, or all; of one shop, or all."""


class PostgresSnapshots:
    """Fulfils `shared.payments.snapshot_ledger.Snapshots`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def take(self, *, age_s: float, limit: int) -> int:
        """Take a snapshot of shops in which something happened since their last; return of how many."""
        return int((await self._db.run(_TAKE, age_s=age_s, limit=limit))[0][0])
