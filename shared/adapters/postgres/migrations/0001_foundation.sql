-- Facts, their way out, and what makes an operation happen once.

-- Raised inside a statement to undo all of it. Codes: CR001 version, CR002 idempotency key, CR003 inbox,
-- CR004 epoch of a lease.
create function refuse(code text, reason text) returns boolean language plpgsql as $$
begin
  raise exception using errcode = code, message = reason;
end $$;

create table events (
  stream      text        not null,
  version     bigint      not null check (version > 0),
  id          text        not null unique,
  type        text        not null,
  body        bytea       not null,
  prev_hash   bytea       not null,
  hash        bytea       not null,
  merchant_id text        not null,
  region      text        not null,
  actor       text        not null,
  correlation text        not null,
  causation   text,
  at          timestamptz not null,
  primary key (stream, version)
);
create index events_by_type_and_time on events (type, at);

create function events_are_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'events are append-only';
end $$;
create trigger events_are_append_only before update or delete or truncate on events
  execute function events_are_append_only();

create table outbox (
  seq         bigint generated always as identity primary key,
  event_id    text   not null,
  topic       text   not null,
  key         text   not null,
  region      text   not null,
  body        bytea  not null,
  traceparent text,
  at          timestamptz not null default clock_timestamp()
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

create table inbox (
  operation text not null,
  event_id  text not null,
  at        timestamptz not null default clock_timestamp(),
  primary key (operation, event_id)
);

create table idempotency (
  caller     text  not null,
  route      text  not null,
  key        text  not null,
  body_hash  bytea not null,
  status     int   not null,
  headers    jsonb not null,
  reply      bytea not null,
  expires_at timestamptz not null,
  primary key (caller, route, key)
);
create index idempotency_by_expiry on idempotency (expires_at);

create table leases (
  name       text primary key,
  owner      text   not null,
  generation bigint not null default 1,
  epoch      bigint not null default 1,
  expires_at timestamptz not null
);

-- An operation met a fact it can never accept; later facts of the same key wait behind it.
create table parked (
  operation text   not null,
  key       text   not null,
  seq       bigint generated always as identity,
  event_id  text   not null,
  topic     text   not null,
  body      bytea  not null,
  reason    text   not null,
  at        timestamptz not null default clock_timestamp(),
  primary key (operation, key, seq),
  unique (operation, event_id)
);

-- check: every table of the foundation is there and events refuses a rewrite
select count(*) = 6 from information_schema.tables
 where table_schema = 'public' and table_name in ('events', 'outbox', 'inbox', 'idempotency', 'leases', 'parked');
