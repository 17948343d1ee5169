-- When an order is to be ready, and the quarter of an hour that it counts in at shops with a capacity; tips.
alter table orders
  add column pickup_at timestamptz,
  add column slot      timestamptz,
  add column tip       bigint not null default 0 check (tip >= 0);

-- What is taken of each: changed in the commits that place orders and call them off, and no others.
create table order_slots (
  shop_id text        not null,
  slot    timestamptz not null,
  orders  bigint      not null default 0 check (orders >= 0),
  items   bigint      not null default 0 check (items >= 0),
  value   bigint      not null default 0 check (value >= 0),
  primary key (shop_id, slot)
);

-- check: orders know their slot, and slots what is taken of them
select count(*) = 2 from information_schema.columns
 where (table_name, column_name) in (('orders', 'slot'), ('order_slots', 'value'));
