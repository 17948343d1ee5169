-- Shops: the state row of each stream `shp_…`, found by place with a GiST index over points on the Earth's surface.
create extension if not exists cube;
create extension if not exists earthdistance;

create table shops (
  shop_id       text             primary key,
  merchant_id   text             not null,
  name          text             not null,
  address       text             not null,
  latitude      double precision not null check (latitude between -90 and 90),
  longitude     double precision not null check (longitude between -180 and 180),
  timezone      text             not null,
  currency      text             not null,
  accepts       text[]           not null,
  payout        jsonb            not null,
  confirmations jsonb            not null,
  weekly        jsonb            not null,
  registered_at timestamptz      not null,
  version       bigint           not null,
  head          bytea            not null
);
create index shops_by_merchant on shops (merchant_id, shop_id);
create index shops_by_place on shops using gist (ll_to_earth(latitude, longitude));

-- check: the table is there with its version and head, and places can be searched nearest first
select count(*) = 2 and exists (select from pg_indexes where indexname = 'shops_by_place')
  from information_schema.columns where table_name = 'shops' and column_name in ('version', 'head');
