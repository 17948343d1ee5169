-- How much a shop makes in a quarter of an hour: {"orders": …, "items": …, "value": …}, null for no limit.
alter table shops add column capacity jsonb;

-- check: shops have a capacity
select count(*) = 1 from information_schema.columns where table_name = 'shops' and column_name = 'capacity';
