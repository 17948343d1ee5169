-- What items and choices take of the stock, and the unit in which each SKU is counted.
alter table stock add column unit text not null default 'piece' check (unit in ('g', 'ml', 'piece'));

create table recipes (
  recipe_id   text   primary key,
  shop_id     text   not null,
  merchant_id text   not null,
  product_id  text   not null,
  takes       jsonb  not null,
  instead     jsonb  not null,
  version     bigint not null,
  head        bytea  not null,
  unique (shop_id, product_id)
);

-- check: every SKU has its unit
select count(*) = 3 from pg_constraint where conrelid = 'stock'::regclass and contype = 'c';
