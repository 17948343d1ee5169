-- Which picture each item has: its key in the bucket, part of each version of a menu.
alter table menus add column images jsonb not null default '[]';

-- check: items that were have none
select count(*) = 1 from information_schema.columns
 where table_name = 'menus' and column_name = 'images' and is_nullable = 'NO' and column_default like '%[]%';
