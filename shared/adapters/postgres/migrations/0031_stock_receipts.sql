-- Deliveries taken into stock: the state row of each stream `rcv_…`.
create table stock_receipts (
  receipt_id  text   primary key,
  shop_id     text   not null,
  merchant_id text   not null,
  lines       jsonb  not null,
  note        text   not null,
  version     bigint not null,
  head        bytea  not null
);
create index stock_receipts_by_shop on stock_receipts (shop_id, receipt_id desc);

-- check: the table is there with its version and head
select count(*) = 2 from information_schema.columns
 where table_name = 'stock_receipts' and column_name in ('version', 'head');
