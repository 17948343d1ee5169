-- What a shop is shown by: keys of pictures in the bucket.
alter table shops add column photos text[] not null default '{}';

-- check: shops have pictures
select count(*) = 1 from information_schema.columns where table_name = 'shops' and column_name = 'photos';
