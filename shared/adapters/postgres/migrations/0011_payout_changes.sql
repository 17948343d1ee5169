-- Payout accounts: who has proven to hold their keys, and changes that wait for a second person and for time to pass.
alter table shops
  add column changes jsonb not null default '[]',
  add column former  jsonb not null default '[]';
comment on column shops.changes is 'changes of payout accounts, the oldest first: those that are open, and the last ones that are not';
comment on column shops.former is 'payout accounts of before: coins may still arrive at their addresses';
create index shops_with_payout_to_apply on shops (shop_id) where changes @> '[{"standing": "confirmed"}]';

-- What was asked of a merchant's wallet. A row is deleted by the statement that accepts the signature.
create table payout_challenges (
  nonce       text   primary key,
  shop_id     text   not null,
  family      text   not null,
  fingerprint text   not null,
  purpose     text   not null,
  address     text   not null,
  message     text   not null,
  expires_at  timestamptz not null
);
create index payout_challenges_by_expiry on payout_challenges (expires_at);

create table payout_proofs (
  nonce       text primary key,
  shop_id     text not null,
  fingerprint text not null,
  at          timestamptz not null default clock_timestamp()
);

-- An account pays one merchant. What was in use before proofs were asked for counts as its merchant's.
create table payout_owners (
  fingerprint text primary key,
  merchant_id text not null
);
insert into payout_owners (fingerprint, merchant_id)
select account.value ->> 'fingerprint', s.merchant_id
  from shops s, jsonb_each(s.payout) as account
 where account.value ? 'fingerprint'
 order by s.registered_at, s.shop_id
on conflict do nothing;

-- check: shops have the columns, and the tables of proofs are there
select count(*) = 2 and to_regclass('payout_challenges') is not null and to_regclass('payout_proofs') is not null
       and to_regclass('payout_owners') is not null
  from information_schema.columns where table_name = 'shops' and column_name in ('changes', 'former');
