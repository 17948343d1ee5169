-- A SKU that staff marked as sold out: what its own state says, and until when its counter gives nothing.
alter table stock_items add column sold_out boolean not null default false;
alter table stock_items add column until timestamptz;
alter table stock add column sold_out_until timestamptz;

-- check: counters and states have it
select count(*) = 3 from information_schema.columns
 where (table_name, column_name) in (('stock', 'sold_out_until'), ('stock_items', 'sold_out'), ('stock_items', 'until'));
