-- How far below the market a shop quotes each coin, in hundredths of a percent, by asset.
alter table shops add column spread_bp jsonb not null default '{}';

-- check: the column is there, and shops that were have no spread
select count(*) = 1 from information_schema.columns
 where table_name = 'shops' and column_name = 'spread_bp' and is_nullable = 'NO' and column_default like '%{}%';
