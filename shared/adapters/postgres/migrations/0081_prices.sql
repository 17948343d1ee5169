-- A rate is as old as its poll; how old each reading was stands in its proof.
comment on column price_latest.at is 'when the feeds were asked';

-- check: the comment is there
select col_description('price_latest'::regclass, attnum) = 'when the feeds were asked'
  from pg_attribute where attrelid = 'price_latest'::regclass and attname = 'at';
