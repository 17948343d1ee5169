-- Receive addresses by account and index: derived ahead, claimed by a payment, shown in the commit of that payment.
create table receive_addresses (
  fingerprint      text   not null,
  family           text   not null,
  derivation_index bigint not null check (derivation_index between 0 and 2147483647),
  address          text   not null,
  watch_key        text   not null,
  payment_id       text,
  claimed_at       timestamptz,
  shown_at         timestamptz,
  primary key (fingerprint, family, derivation_index),
  check (shown_at is null or payment_id is not null),
  check ((payment_id is null) = (claimed_at is null))
) with (fillfactor = 80);
comment on column receive_addresses.payment_id is 'whose it is; before shown_at only who may take it';
comment on column receive_addresses.shown_at is 'null: nobody was ever told this address, so it may still be given to another payment';
create index receive_addresses_free on receive_addresses (fingerprint, family, derivation_index)
  where payment_id is null;
create index receive_addresses_claimed on receive_addresses (claimed_at)
  where payment_id is not null and shown_at is null;
create unique index receive_addresses_by_payment on receive_addresses (payment_id);
create index shops_by_bitcoin_account on shops ((payout -> 'bitcoin' ->> 'fingerprint'));
create index shops_by_evm_account on shops ((payout -> 'evm' ->> 'fingerprint'));

-- No account was ever changed before this: what a payment has came from the account that its shop has.
insert into receive_addresses (fingerprint, family, derivation_index, address, watch_key, payment_id, claimed_at,
                               shown_at)
select s.payout -> f.family ->> 'fingerprint', f.family, p.derivation_index, p.address, p.watch_key, p.payment_id,
       p.requested_at, p.requested_at
  from payments p join shops s using (shop_id),
       lateral (select case when p.chain like 'evm:%' then 'evm' else 'bitcoin' end as family) f
 where s.payout -> f.family ->> 'fingerprint' is not null
on conflict do nothing;

-- One warning for as long as the same address was the last one that was paid to.
create table gap_warnings (
  fingerprint text   not null,
  family      text   not null,
  last_paid   bigint not null,
  unused      bigint not null,
  at          timestamptz not null default clock_timestamp(),
  primary key (fingerprint, family, last_paid)
);
comment on column gap_warnings.last_paid is 'the highest index that was ever paid to, -1 for none';

-- check: a free address is found by an index of its own
select to_regclass('receive_addresses_free') is not null and to_regclass('gap_warnings') is not null;
