-- Sweeps: what moves from receive addresses to a shop's treasury, kept on each payment and as a plan of its own.
alter table payments add column sweeps jsonb not null default '[]';
create index payments_to_sweep on payments (shop_id, chain, payment_id) where transfers <> '[]';

create table sweeps (
  sweep_id    text   primary key,
  shop_id     text   not null,
  merchant_id text   not null,
  chain       text   not null,
  asset       text   not null,
  state       text   not null check (state in ('planned', 'seen', 'confirmed', 'final', 'dropped')),
  plan        jsonb  not null,
  txids       jsonb  not null,
  planned_at  timestamptz not null,
  changed_at  timestamptz not null,
  version     bigint not null,
  head        bytea  not null
);
create index sweeps_by_shop on sweeps (shop_id, sweep_id);
create index sweeps_to_follow on sweeps (chain, sweep_id) where state in ('planned', 'seen', 'confirmed');

-- check: payments know their sweeps
select exists (select from information_schema.columns where table_name = 'payments' and column_name = 'sweeps')
       and to_regclass('sweeps_to_follow') is not null;
