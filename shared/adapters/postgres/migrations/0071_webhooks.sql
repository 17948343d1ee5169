-- Webhooks: the state row of each stream `whk_…`, their deliveries, and how their endpoints do. Secrets are sealed.
create table webhooks (
  webhook_id      text    primary key,
  merchant_id     text    not null,
  shop_id         text,
  url             text    not null,
  events          jsonb   not null,
  description     text    not null,
  enabled         boolean not null,
  disabled_reason text,
  secrets         jsonb   not null,
  created_at      timestamptz not null,
  changed_at      timestamptz not null,
  deleted_at      timestamptz,
  version         bigint  not null,
  head            bytea   not null
);
create index webhooks_of_merchant on webhooks (merchant_id, webhook_id desc) where deleted_at is null;

-- An event on its way to a webhook. `due_at`: when it is to be looked at again, whoever had it; null when it is over.
create table webhook_deliveries (
  delivery_id text   primary key,
  webhook_id  text   not null,
  event_id    text   not null,
  event_type  text   not null,
  status      text   not null check (status in ('waiting', 'sending', 'delivered', 'failed', 'dropped')),
  attempts    int    not null default 0,
  failed      int    not null default 0,
  tries       jsonb  not null default '[]',
  due_at      timestamptz,
  created_at  timestamptz not null,
  ended_at    timestamptz,
  unique (webhook_id, event_id),
  check ((due_at is null) = (ended_at is not null))
) with (fillfactor = 70);
create index webhook_deliveries_of_webhook on webhook_deliveries (webhook_id, delivery_id desc);
create index webhook_deliveries_due on webhook_deliveries (webhook_id, due_at) where ended_at is null;
create index webhook_deliveries_sending on webhook_deliveries (webhook_id) where status = 'sending';
create index webhook_deliveries_ended on webhook_deliveries (ended_at) where ended_at is not null;

-- Failures in a row of an endpoint; no row, or none, while it does well.
create table webhook_health (
  webhook_id    text primary key,
  failures      int  not null,
  failing_since timestamptz,
  open_until    timestamptz
) with (fillfactor = 70);

-- check: an event is brought to a webhook by one delivery
select count(*) = 3 from information_schema.tables
 where table_schema = 'public' and table_name in ('webhooks', 'webhook_deliveries', 'webhook_health');
