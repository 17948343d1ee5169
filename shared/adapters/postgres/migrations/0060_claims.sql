-- Claims: the state row of each stream `clm_…`, and how often codes were guessed wrong.
create table claims (
  claim_id    text   primary key,
  order_id    text   not null unique,
  shop_id     text   not null,
  merchant_id text   not null,
  customer_id text   not null,
  status      text   not null check (status in ('issued', 'redeemed')),
  code_hash   text   not null check (code_hash ~ '^[0-9a-f]{64}$'),
  issued_at   timestamptz not null,
  redeemed_at timestamptz,
  redeemed_by text,
  attempt_id  text,
  version     bigint not null,
  head        bytea  not null,
  check ((status = 'redeemed') = (redeemed_at is not null and redeemed_by is not null and attempt_id is not null))
) with (fillfactor = 80);
create index claims_by_code on claims (shop_id, code_hash);
-- Two open claims of a shop never share a code.
create unique index claims_open_code on claims (shop_id, code_hash) where status = 'issued';

-- Wrong codes per shop and staff key within a window that begins with the first of them.
create table redeem_tries (
  shop_id      text not null,
  caller       text not null,
  window_start timestamptz not null,
  wrong        int  not null check (wrong >= 0),
  primary key (shop_id, caller)
) with (fillfactor = 70);

-- check: a claim can't be redeemed without saying by whom
select count(*) = 2 from information_schema.tables where table_schema = 'public' and table_name in ('claims', 'redeem_tries');
