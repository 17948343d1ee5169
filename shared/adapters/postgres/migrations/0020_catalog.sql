-- Menus: the state row of each stream `mnu_…`, one per shop, and every version of it for good.
create table menus (
  menu_id     text   primary key,
  shop_id     text   not null unique,
  merchant_id text   not null,
  currency    text   not null,
  items       jsonb  not null,
  groups      jsonb  not null,
  version     bigint not null,
  head        bytea  not null
);

-- An order names the version it was priced from; that document never changes.
create table menu_versions (
  shop_id  text   not null,
  version  bigint not null,
  document jsonb  not null,
  primary key (shop_id, version)
);

-- check: both tables are there with a version
select count(*) = 2 from information_schema.columns
 where table_name in ('menus', 'menu_versions') and column_name = 'version';
