-- Stock per shop and SKU, and what each order holds of it. Counters fold from order and supply facts.
create table stock (
  shop_id     text   not null,
  sku         text   not null,
  merchant_id text   not null,
  on_hand     bigint not null default 0 check (on_hand >= 0),
  reserved    bigint not null default 0 check (reserved >= 0 and reserved <= on_hand),
  primary key (shop_id, sku)
) with (fillfactor = 70);

create table stock_holds (
  reservation_id text   primary key,
  order_id       text   not null unique,
  shop_id        text   not null,
  merchant_id    text   not null,
  lines          jsonb  not null,
  state          text   not null check (state in ('held', 'released', 'consumed')),
  version        bigint not null,
  head           bytea  not null
);

-- check: stock refuses to hold more than there is
select count(*) = 2 from pg_constraint where conrelid = 'stock'::regclass and contype = 'c';
