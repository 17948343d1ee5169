-- Orders: the state row of each stream `ord_…`.
create table orders (
  order_id     text   primary key,
  shop_id      text   not null,
  merchant_id  text   not null,
  customer_id  text   not null,
  status       text   not null check (status in
               ('pending', 'confirmed', 'preparing', 'ready', 'completed', 'cancelled', 'expired')),
  halted       boolean not null,
  lines        jsonb  not null,
  currency     text   not null,
  total        numeric(78, 0) not null,
  menu_version bigint not null,
  payment_id   text,
  note         text   not null,
  placed_at    timestamptz not null,
  pay_by       timestamptz not null,
  hold_until   timestamptz not null,
  changed_at   timestamptz not null,
  version      bigint not null,
  head         bytea  not null
) with (fillfactor = 80);
create index orders_by_customer on orders (customer_id, order_id desc);
create index orders_by_shop on orders (shop_id, order_id desc);
create index orders_in_kitchen on orders (shop_id, placed_at) where status in ('confirmed', 'preparing', 'ready');
create index orders_unpaid on orders (pay_by) where status = 'pending';

-- check: the table is there with its version and head
select count(*) = 2 from information_schema.columns where table_name = 'orders' and column_name in ('version', 'head');
