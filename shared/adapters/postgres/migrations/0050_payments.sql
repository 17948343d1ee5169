-- Payments: the state row of each stream `pay_…`, the addresses that are watched, and how far each chain was read.
create table payments (
  payment_id       text   primary key,
  order_id         text   not null,
  shop_id          text   not null,
  merchant_id      text   not null,
  customer_id      text   not null,
  chain            text   not null,
  asset            text   not null,
  address          text   not null,
  watch_key        text   not null,
  derivation_index bigint not null check (derivation_index between 0 and 2147483647),
  due              numeric(78, 0) not null check (due > 0),
  confirmations    int    not null check (confirmations >= 0),
  quote            jsonb  not null,
  amount           text   not null check (amount in ('none', 'under', 'exact', 'over')),
  timing           text   not null check (timing in ('none', 'on_time', 'late')),
  finality         text   not null check (finality in ('none', 'seen', 'confirmed', 'final', 'reversed')),
  included         numeric(78, 0) not null check (included >= 0),
  highest          bigint,
  transfers        jsonb  not null,
  settled          boolean not null,
  final            boolean not null,
  expired          boolean not null,
  requested_at     timestamptz not null,
  expires_at       timestamptz not null,
  changed_at       timestamptz not null,
  version          bigint not null,
  head             bytea  not null
) with (fillfactor = 70);
comment on column payments.included is 'base units in live inclusions that count towards settlement';
comment on column payments.highest is 'height of the highest live inclusion';
create unique index payments_one_active on payments (order_id) where not expired;
create unique index payments_by_receiver on payments (chain, watch_key);
create index payments_by_inclusion on payments (chain, highest) where highest is not null;
create index payments_unconfirmed on payments (chain) where not final and (settled or highest is not null);
create index payments_unpaid on payments (chain, expires_at) where not settled and not expired;

-- An address stands here in the commit that makes its payment; `xid` tells a watcher what it has not read yet.
create table watched_addresses (
  chain      text not null,
  watch_key  text not null,
  payment_id text not null,
  xid        xid8 not null default pg_current_xact_id(),
  primary key (chain, watch_key)
);
create index watched_addresses_by_xid on watched_addresses (chain, xid);

-- The next unused index below an account key. It only ever grows: an address is never handed out twice.
create table derivation_counters (
  fingerprint text   not null,
  family      text   not null,
  next        bigint not null check (next between 0 and 2147483648),
  primary key (fingerprint, family)
);

-- How far a chain was read. Written only under the epoch of the lease `watch:<chain>`, which stamps itself here.
create table chain_cursors (
  chain        text   primary key,
  merchant_id  text   not null,
  height       bigint not null,
  block_hash   text   not null,
  final_height bigint not null,
  scanned_at   timestamptz not null,
  generation   bigint not null,
  epoch        bigint not null,
  caught_up_at timestamptz not null,
  mempool_at   timestamptz,
  version      bigint not null,
  head         bytea  not null
) with (fillfactor = 50);
comment on column chain_cursors.caught_up_at is 'when the node was asked for the tip that the cursor has reached';
comment on column chain_cursors.mempool_at is 'when the mempool was listed that was then read; null where none is watched';

-- The branch that was scanned, from the last final block on: where a reorganisation is walked back.
create table chain_blocks (
  chain       text   not null,
  height      bigint not null,
  block_hash  text   not null,
  parent_hash text   not null,
  block_time  timestamptz not null,
  primary key (chain, height)
);

-- The coins that sighted transactions spend: another spender means replaced or double-spent.
create table sighted_inputs (
  chain      text not null,
  txid       text not null,
  output     bigint not null,
  spender    text not null,
  payment_id text not null,
  primary key (chain, txid, output, spender, payment_id)
);
create index sighted_inputs_by_payment on sighted_inputs (payment_id);

-- check: one payment per order is active and no address belongs to two
select count(*) = 2 from pg_indexes where indexname in ('payments_one_active', 'payments_by_receiver');
