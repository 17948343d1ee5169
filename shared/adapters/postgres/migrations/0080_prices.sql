-- Prices: the median of the fresh feeds, with what each of them said. `rate` is fiat per whole coin.
-- `feeds` is a list of {"feed", "price", "at"}: the proof that a quote carries along.
create table price_latest (
  asset        text    not null,
  currency     text    not null,
  rate         numeric not null check (rate > 0),
  feeds        jsonb   not null,
  at           timestamptz not null,
  published    numeric not null,
  published_at timestamptz not null,
  version      bigint  not null,
  primary key (asset, currency)
) with (fillfactor = 50);
comment on column price_latest.at is 'the oldest of the readings behind the rate';
comment on column price_latest.published is 'the rate that price.updated last told, `version` times';

-- Every published rate with its proof: the history.
create table price_ticks (
  asset    text    not null,
  currency text    not null,
  at       timestamptz not null,
  rate     numeric not null,
  feeds    jsonb   not null,
  primary key (asset, currency, at)
);

-- check: a rate of nothing is refused
select count(*) = 1 from information_schema.check_constraints where constraint_name like 'price_latest_rate_check%';
