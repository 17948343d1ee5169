"""The history of prices in Postgres: bars of a minute and of an hour; days are made of hours where they are wanted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from shared.adapters.postgres.database import Database, Sql
from shared.prices.model import Pair, PriceBar, Step

BARS: Final = Sql(
    """
insert into price_bars as bar (asset, currency, step, at, open, high, low, close, polls)
select asset, currency, step, date_trunc(step, at, 'UTC'), rate, rate, rate, rate, 1
  from jsonb_to_recordset(:rates::jsonb) as r(asset text, currency text, rate numeric, at timestamptz)
 cross join (values ('minute'), ('hour')) as s (step)
on conflict (asset, currency, step, at) do update
   set high = greatest(bar.high, excluded.high), low = least(bar.low, excluded.low), close = excluded.close,
       polls = bar.polls + 1
"""
)
"""Takes rates into the bars that they fall into. They come in order of time: whoever runs it has the lock."""
_BETWEEN: Final = Sql(
    "select at, open, high, low, close, polls from price_bars"
    " where asset = :asset and currency = :currency and step = :step and at >= :since and at < :until order by at"
)
_DAYS: Final = Sql(
    """
select date_trunc('day', at, 'UTC'), (array_agg(open order by at))[1], max(high), min(low),
       (array_agg(close order by at desc))[1], sum(polls)::bigint
  from price_bars
 where asset = :asset and currency = :currency and step = 'hour' and at >= :since and at < :until
 group by 1 order by 1
"""
)
_BEGINS: Final = Sql("select date_trunc(:step, :since::timestamptz, 'UTC')")
_KNOWN: Final = Sql("select exists (select from price_latest where asset = :asset and currency = :currency)")
_PRUNE: Final = Sql(
    """
with kept (step, begins) as (
  values ('minute', clock_timestamp() - interval '7 days'), ('hour', clock_timestamp() - interval '3 years')),
bars as (
  delete from price_bars where ctid = any(array(
    select b.ctid from price_bars b join kept k on b.step = k.step and b.at < k.begins limit :most::bigint))
  returning 1),
ticks as (
  delete from price_ticks where ctid = any(array(
    select ctid from price_ticks where at < clock_timestamp() - interval '2 days' order by at limit :most::bigint))
  returning 1)
select (select count(*) from bars) + (select count(*) from ticks)
"""
)


class PostgresPriceHistory:
    """Fulfils `shared.prices.ports.PriceBars` and `OldPrices`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def between(self, pair: Pair, step: Step, since: datetime, until: datetime) -> Sequence[PriceBar]:
        """Return the bars that begin in the step of `since` or later, and before `until`, oldest first."""
        ((begins,),) = await self._db.run(_BEGINS, step=step.value, since=since)
        asked = {"asset": pair.asset, "currency": pair.currency, "since": begins, "until": until}
        if step is Step.DAY:
            rows = await self._db.run(_DAYS, **asked)
        else:
            rows = await self._db.run(_BETWEEN, step=step.value, **asked)
        return [
            PriceBar(at=at, open=f"{open_:f}", high=f"{high:f}", low=f"{low:f}", close=f"{close:f}", polls=polls)
            for at, open_, high, low, close, polls in rows
        ]

    async def known(self, pair: Pair) -> bool:
        """Return whether the pair was ever priced."""
        ((known,),) = await self._db.run(_KNOWN, asset=pair.asset, currency=pair.currency)
        return bool(known)

    async def prune(self, *, most: int) -> int:
        """Delete up to `most` bars and as many ticks that are older than they are kept; return how many that were."""
        ((gone,),) = await self._db.run(_PRUNE, most=most)
        return int(gone)
