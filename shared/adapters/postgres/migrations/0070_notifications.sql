-- Notifications: the state row of each stream `ntf_…` (one for each event that led to a message), what people asked
-- for, and the devices that receive push messages. E-mail addresses and device tokens are sealed.
create table notifications (
  notification_id text   primary key,
  user_id         text   not null,
  merchant_id     text   not null,
  template        text   not null,
  language        text   not null,
  about           text   not null,
  deliveries      jsonb  not null,
  queued_at       timestamptz not null,
  version         bigint not null,
  head            bytea  not null
) with (fillfactor = 70);
create index notifications_of_user on notifications (user_id, notification_id desc);

create table preferences (
  user_id      text   primary key,
  language     text   not null,
  channels     jsonb  not null,
  sealed_email bytea,
  quiet_hours  jsonb,
  changed_at   timestamptz not null,
  version      bigint not null check (version > 0)
);

create table devices (
  device_id     text   primary key,
  user_id       text   not null,
  platform      text   not null check (platform in ('fcm', 'apns')),
  token_hash    bytea  not null unique,
  sealed_token  bytea  not null,
  label         text   not null,
  endpoint      text,
  registered_at timestamptz not null,
  disabled_at   timestamptz
);
create index devices_of_user on devices (user_id, registered_at desc) where disabled_at is null;

-- check: the tables are there
select count(*) = 3 from information_schema.tables
 where table_schema = 'public' and table_name in ('notifications', 'preferences', 'devices');
