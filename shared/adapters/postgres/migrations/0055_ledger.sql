-- The double-entry ledger: one entry per fact of a payment that moved coins, its postings in base units.
create table ledger_entries (
  payment_id  text   not null,
  version     bigint not null check (version > 0),
  event_id    text   not null unique,
  type        text   not null,
  merchant_id text   not null,
  shop_id     text   not null,
  at          timestamptz not null,
  posted_at   timestamptz not null default clock_timestamp(),
  primary key (payment_id, version)
);
comment on column ledger_entries.version is 'of the fact in the payment''s stream: no fact is ever posted twice';
comment on column ledger_entries.at is 'when the fact was recorded: the day it belongs to';
create index ledger_entries_by_day on ledger_entries (shop_id, at, payment_id, version);

create table ledger_postings (
  payment_id  text   not null,
  version     bigint not null,
  book        text   not null check (book in ('claims', 'custody')),
  asset       text   not null,
  account     text   not null,
  units       numeric(78, 0) not null check (units <> 0),
  merchant_id text   not null,
  shop_id     text   not null,
  at          timestamptz not null,
  primary key (payment_id, version, book, asset, account),
  foreign key (payment_id, version) references ledger_entries
);
comment on column ledger_postings.units is 'debits above zero, credits below';
create index ledger_postings_by_shop on ledger_postings (merchant_id, shop_id, at)
  include (book, asset, account, units);

create function ledger_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'the ledger is append-only';
end $$;
create trigger ledger_entries_are_append_only before update or delete or truncate on ledger_entries
  execute function ledger_is_append_only();
create trigger ledger_postings_are_append_only before update or delete or truncate on ledger_postings
  execute function ledger_is_append_only();

-- Looked at per statement: a posting that is added to an entry later must balance by itself.
create function ledger_balances() returns trigger language plpgsql as $$
begin
  if exists (select from posted group by payment_id, version, book, asset having sum(units) <> 0) then
    raise exception 'an entry does not balance';
  end if;
  return null;
end $$;
create trigger ledger_balances after insert on ledger_postings referencing new table as posted
  for each statement execute function ledger_balances();

-- check: both tables are there, with what guards them
select count(*) = 3 from pg_trigger
 where tgrelid in ('ledger_entries'::regclass, 'ledger_postings'::regclass) and not tgisinternal;
