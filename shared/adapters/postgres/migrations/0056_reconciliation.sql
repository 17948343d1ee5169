-- Reconciliation: each run that compared ledger, facts and chain, and every difference it found until it is gone.
create table reconciliation_runs (
  run_id     text   primary key,
  scope      text   not null,
  depth      text   not null check (depth in ('recent', 'whole')),
  state      text   not null check (state in ('running', 'complete', 'incomplete')),
  height     bigint,
  block_hash text,
  compared   bigint not null default 0,
  posted     bigint not null default 0,
  found      bigint not null default 0,
  totals     jsonb  not null default '{}',
  reason     text   not null default '',
  began_at   timestamptz not null,
  ended_at   timestamptz,
  check ((ended_at is null) = (state = 'running'))
);
comment on column reconciliation_runs.scope is 'a chain by its name, or books: facts, rows and ledger among themselves';
comment on column reconciliation_runs.compared is 'payments that were looked at';
comment on column reconciliation_runs.posted is 'entries that were missing in the ledger and are posted now';
comment on column reconciliation_runs.totals is 'by asset, base units: credited and held at the block';
create index reconciliation_runs_by_scope on reconciliation_runs (scope, began_at desc);

create table reconciliation_differences (
  difference_id   text   primary key,
  name            text   not null,
  scope           text   not null,
  kind            text   not null,
  payment_id      text,
  shop_id         text,
  merchant_id     text,
  asset           text,
  address         text,
  txid            text,
  position        bigint,
  expected        numeric(78, 0),
  found           numeric(78, 0),
  height          bigint,
  says            text   not null,
  first_run       text   not null references reconciliation_runs,
  last_run        text   not null references reconciliation_runs,
  opened_at       timestamptz not null,
  seen_at         timestamptz not null,
  closed_at       timestamptz,
  closing         text   check (closing in ('gone', 'posted')),
  acknowledged_at timestamptz,
  acknowledged_by text,
  reason          text,
  check ((closed_at is null) = (closing is null)),
  check ((acknowledged_at is null) = (acknowledged_by is null))
);
comment on column reconciliation_differences.name is 'the same in every run that finds the difference';
comment on column reconciliation_differences.acknowledged_at is 'somebody knows of it; it stays until it is gone';
create unique index reconciliation_differences_open on reconciliation_differences (name) where closed_at is null;
create index reconciliation_differences_by_merchant on reconciliation_differences (merchant_id, seen_at desc);

-- What changed lately is looked at in every run.
create index payments_by_change on payments (chain, changed_at);
create index ledger_entries_by_posting on ledger_entries (posted_at);

-- What a shop's accounts came to at a moment, so that nobody adds up all of its past: postings before `until` of
-- transactions below `xmin`. Whatever is posted later for a time before is found by its transaction.
alter table ledger_postings add column xid xid8 not null default pg_current_xact_id();
create index ledger_postings_by_xid on ledger_postings (merchant_id, shop_id, xid);
create table ledger_snapshots (
  merchant_id text   not null,
  shop_id     text   not null,
  until       timestamptz not null,
  xmin_xid    xid8   not null,
  balances    jsonb  not null,
  taken_at    timestamptz not null default clock_timestamp(),
  primary key (merchant_id, shop_id, until)
);
comment on column ledger_snapshots.balances is 'array of [book, asset, account, units as text]';

-- check: the tables are there, and a difference is open once
select count(*) = 4 from pg_class
 where relnamespace = current_schema()::regnamespace
   and relname in ('reconciliation_runs', 'reconciliation_differences', 'reconciliation_differences_open',
                   'ledger_snapshots');
