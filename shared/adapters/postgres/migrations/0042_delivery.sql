-- Where an order is brought to (sealed with the key of its customer), what that costs, and since when it is on its way.
alter table orders
  add column delivery      jsonb,
  add column dispatched_at timestamptz;

-- check: orders know where they go
select count(*) = 2 from information_schema.columns
 where table_name = 'orders' and column_name in ('delivery', 'dispatched_at');
