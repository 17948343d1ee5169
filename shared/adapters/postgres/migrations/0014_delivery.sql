-- Where and for how much a shop delivers: {"radius_m": …, "fee": …, "minimum": …}.
alter table shops add column delivery jsonb;

-- check: shops have terms of delivery
select count(*) = 1 from information_schema.columns where table_name = 'shops' and column_name = 'delivery';
