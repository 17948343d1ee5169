-- The history of prices: each minute and each hour, from every poll that ended in a rate. `rate` fields as in
-- price_latest. Ticks are what was published, with its proof; they are kept for days, bars for longer.
create table price_bars (
  asset    text        not null,
  currency text        not null,
  step     text        not null check (step in ('minute', 'hour')),
  at       timestamptz not null,
  open     numeric     not null check (open > 0),
  high     numeric     not null,
  low      numeric     not null check (low > 0),
  close    numeric     not null,
  polls    bigint      not null check (polls > 0),
  primary key (asset, currency, step, at),
  check (low <= open and low <= close and high >= open and high >= close)
) with (fillfactor = 70);
comment on column price_bars.at is 'when the minute or hour began';
create index price_bars_by_age on price_bars (step, at);
create index price_ticks_by_age on price_ticks (at);

insert into price_bars (asset, currency, step, at, open, high, low, close, polls)
select asset, currency, step, date_trunc(step, at, 'UTC'), (array_agg(rate order by at))[1], max(rate), min(rate),
       (array_agg(rate order by at desc))[1], count(*)
  from price_ticks cross join (values ('minute'), ('hour')) as s (step)
 group by asset, currency, step, date_trunc(step, at, 'UTC');

-- check: bars are found by age, and every tick that was has its minute
select (select count(*) = 2 from pg_indexes where indexname in ('price_bars_by_age', 'price_ticks_by_age'))
   and not exists (select from price_ticks t where not exists (
         select from price_bars b where b.asset = t.asset and b.currency = t.currency and b.step = 'minute'
            and b.at = date_trunc('minute', t.at, 'UTC')));
