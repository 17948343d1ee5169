-- Every movement of goods with the balance after it, and adjustments: the state row of each stream `adj_…`.
alter table stock add column movements bigint not null default 0;

create table stock_movements (
  shop_id     text   not null,
  sku         text   not null,
  entry       bigint not null generated always as identity,
  number      bigint not null,
  merchant_id text   not null,
  reason      text   not null,
  delta       bigint not null,
  on_hand     bigint not null,
  order_id    text,
  event_id    text   not null,
  actor       text   not null,
  at          timestamptz not null,
  primary key (shop_id, sku, entry)
);
create index stock_movements_by_shop on stock_movements (shop_id, entry);

create table stock_adjustments (
  adjustment_id text   primary key,
  shop_id       text   not null,
  merchant_id   text   not null,
  reason        text   not null,
  lines         jsonb  not null,
  note          text   not null,
  version       bigint not null,
  head          bytea  not null
);

-- What moved before there was a ledger, in the order of time.
insert into stock_movements (shop_id, sku, number, merchant_id, reason, delta, on_hand, order_id, event_id, actor, at)
select m.shop_id, m.sku, row_number() over moved, m.merchant_id, m.reason, m.delta, sum(m.delta) over moved,
       m.order_id, m.id, m.actor, m.at
  from (select f.fact ->> 'shop_id' as shop_id, l.sku, e.merchant_id, e.id, e.actor, e.at,
               case e.type when 'supply.stock_received.v1' then 'received' else 'consumed' end as reason,
               case e.type when 'supply.stock_received.v1' then l.quantity else -l.quantity end as delta,
               f.fact ->> 'order_id' as order_id
          from events e,
               lateral (select convert_from(e.body, 'UTF8')::jsonb as fact) f,
               lateral jsonb_to_recordset(f.fact -> 'lines') as l(sku text, quantity bigint)
         where e.type in ('supply.stock_received.v1', 'supply.stock_consumed.v1')) m
window moved as (partition by m.shop_id, m.sku order by m.at, m.id)
 order by m.at, m.id, m.sku;

update stock s set movements = m.movements
  from (select shop_id, sku, count(*) as movements from stock_movements group by shop_id, sku) m
 where s.shop_id = m.shop_id and s.sku = m.sku;

-- check: each SKU has as many movements as it counts
select not exists (
  select from stock s
   where s.movements <> (select count(*) from stock_movements m where m.shop_id = s.shop_id and m.sku = s.sku));
