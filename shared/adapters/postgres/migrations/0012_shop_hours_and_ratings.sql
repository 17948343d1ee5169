-- Special days, the last order before closing, pauses; and what customers think, one rating an order.
alter table shops
  add column special        jsonb   not null default '[]',
  add column last_order_min integer not null default 0,
  add column pause          jsonb;

create table ratings (
  rating_id   text        primary key,
  order_id    text        not null,
  shop_id     text        not null,
  merchant_id text        not null,
  customer_id text        not null,
  stars       integer     not null check (stars between 1 and 5),
  comment     text        not null,
  rated_at    timestamptz not null,
  version     bigint      not null,
  head        bytea       not null
);
create index ratings_by_shop on ratings (shop_id, rating_id);

-- Their sums, kept in the commit of each rating: a list of shops would otherwise count them every time.
create table shop_ratings (
  shop_id text   primary key,
  ratings bigint not null,
  stars   bigint not null
);

-- check: shops have hours for special days, and ratings their sums
select count(*) = 2 from information_schema.columns
 where (table_name, column_name) in (('shops', 'special'), ('shop_ratings', 'stars'));
