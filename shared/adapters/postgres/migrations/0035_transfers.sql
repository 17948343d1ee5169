-- Goods sent from one location of a merchant to another: the state row of each stream `trf_…`.
create table stock_transfers (
  transfer_id  text   primary key,
  merchant_id  text   not null,
  from_shop_id text   not null,
  to_shop_id   text   not null,
  lines        jsonb  not null,
  note         text   not null,
  version      bigint not null,
  head         bytea  not null,
  check (from_shop_id <> to_shop_id)
);

-- check: the table is there with its version and head
select count(*) = 2 from information_schema.columns
 where table_name = 'stock_transfers' and column_name in ('version', 'head');
