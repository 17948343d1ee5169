-- Settling before the block, under a loss cap of the shop: {"max_order": …, "hourly_cap": …} in its minor units.
alter table shops add column zero_confirmation jsonb;
alter table payments
  add column zero_confirmation boolean not null default false,
  add column exposed           boolean not null default false,
  add column exposed_at        timestamptz;
comment on column payments.exposed is 'settled before it had its confirmations: it counts against the loss cap';
create index payments_exposed on payments (shop_id, exposed_at) where exposed_at is not null;

-- check: payments say what they are exposed to
select count(*) = 1 from pg_indexes where schemaname = current_schema() and indexname = 'payments_exposed';
