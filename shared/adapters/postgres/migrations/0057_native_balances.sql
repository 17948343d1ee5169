-- Ether that no transaction shows: what left each receiver, what lay there before, and whose turn it is to be looked at.
alter table watched_addresses
  add column since bigint,
  add column base  numeric(78, 0);
comment on column watched_addresses.since is 'how far the chain was read when the address was handed out; null: unknown';
comment on column watched_addresses.base is 'native base units that lay there after block `since`; null: nobody looked yet';

create table address_outflows (
  chain     text   not null,
  txid      text   not null,
  watch_key text   not null,
  asset     text   not null,
  units     numeric(78, 0) not null check (units > 0),
  height    bigint not null,
  primary key (chain, watch_key, asset, txid)
);
create index address_outflows_by_height on address_outflows (chain, height);
comment on column address_outflows.units is 'base units that the transaction took from the address, network fees included';

create table look_rounds (
  chain    text primary key,
  reached  text not null,
  began_at timestamptz not null
);
comment on table look_rounds is 'every watched address is looked at once a day, in the order of its key';

create index payments_to_look_at on payments (chain, asset) where not final and not expired;
-- check:
select count(*) = 2 from information_schema.columns where table_name = 'watched_addresses' and column_name in ('since', 'base');
