-- How what is sold is taxed: part of each version of a menu.
alter table menus add column taxes jsonb not null default '[]';

-- check: menus that were are not taxed
select count(*) = 1 from information_schema.columns
 where table_name = 'menus' and column_name = 'taxes' and is_nullable = 'NO' and column_default like '%[]%';
