-- What is sold out at a shop, and the hours at which things are sold: part of each version of its menu.
alter table menus
  add column sold_out jsonb not null default '[]',
  add column dayparts jsonb not null default '[]';

-- check: menus that were have neither
select count(*) = 2 from information_schema.columns
 where table_name = 'menus' and column_name in ('sold_out', 'dayparts') and is_nullable = 'NO'
   and column_default like '%[]%';
