-- What a shop wants of one SKU, and whether it was told to be low: the state row of each stream `stk_…`.
create table stock_items (
  stock_item_id text    primary key,
  shop_id       text    not null,
  merchant_id   text    not null,
  sku           text    not null,
  reorder_point bigint,
  low           boolean not null,
  version       bigint  not null,
  head          bytea   not null,
  unique (shop_id, sku)
);

-- check: the table is there with its version and head
select count(*) = 2 from information_schema.columns
 where table_name = 'stock_items' and column_name in ('version', 'head');
