-- Wallets: people (streams `usr_…`) by their address, staff keys (streams `key_…`), nonces and limits of signing in.
create table users (
  user_id       text   primary key,
  merchant_id   text   not null unique,
  address       text   not null check (address ~ '^0x[0-9a-f]{40}$'),
  chain_id      bigint not null,
  registered_at timestamptz not null,
  version       bigint not null,
  head          bytea  not null,
  constraint users_address_once unique (address)
);

create table api_keys (
  key_id      text   primary key,
  merchant_id text   not null,
  role        text   not null check (role in ('owner', 'manager', 'barista')),
  shop_id     text,
  secret_hash bytea  not null check (length(secret_hash) = 32),
  label       text   not null,
  created_at  timestamptz not null,
  revoked_at  timestamptz,
  version     bigint not null,
  head        bytea  not null
);
create index api_keys_of_merchant on api_keys (merchant_id, key_id);

-- A nonce is there until it is used or too old; the sign-in that used it stays.
create table nonces (
  nonce      text primary key,
  expires_at timestamptz not null
);
create index nonces_by_expiry on nonces (expires_at);

create table sign_ins (
  nonce   text primary key,
  user_id text not null,
  at      timestamptz not null default clock_timestamp()
);
create index sign_ins_by_time on sign_ins (at);

-- Calls per step of signing in and client (a digest, never the address of the network) in the present window.
create table sign_in_tries (
  step         text  not null,
  client       bytea not null,
  window_start timestamptz not null,
  tries        int   not null check (tries > 0),
  primary key (step, client)
) with (fillfactor = 70);
create index sign_in_tries_by_time on sign_in_tries (window_start);

-- check: an address belongs to one person
select count(*) = 1 from information_schema.table_constraints where constraint_name = 'users_address_once';
