-- How far two nodes of a chain say the same, and which assets nothing settles in for the time being.
alter table chain_cursors add column agreed bigint;
comment on column chain_cursors.agreed is 'confirmations are counted from here where two nodes are asked; null: from height';

create table asset_holds (
  chain   text not null,
  asset   text not null,
  reason  text not null,
  held_at timestamptz not null,
  primary key (chain, asset)
);
comment on table asset_holds is 'assets whose contract changed, is paused or has less than it says: nothing settles in them';

create table token_contracts (
  chain    text not null,
  asset    text not null,
  contract text not null,
  code     text not null,
  primary key (chain, asset, contract)
);
comment on table token_contracts is 'what runs behind a token, proxies and their implementation, as it was when it was first seen';
-- check:
select count(*) = 1 from information_schema.columns where table_name = 'chain_cursors' and column_name = 'agreed';
