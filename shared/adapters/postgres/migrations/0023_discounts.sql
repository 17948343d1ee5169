-- Discounts: the state row of each stream `dsc_…`, who has which code, how often each was used, and by which orders.
create table discounts (
  discount_id text   primary key,
  shop_id     text   not null,
  merchant_id text   not null,
  currency    text   not null,
  discount    jsonb  not null,
  version     bigint not null,
  head        bytea  not null
);
create index discounts_by_shop on discounts (shop_id, discount_id);

create table discount_codes (
  shop_id     text not null,
  code        text not null,
  discount_id text not null,
  primary key (shop_id, code)
);
create index discount_codes_by_discount on discount_codes (discount_id);

-- Counted up by orders, in their own commit, and down where they come to nothing. `most` may be lowered below `used`.
create table discount_counters (
  discount_id text   primary key,
  shop_id     text   not null,
  most        bigint check (most > 0),
  used        bigint not null default 0 check (used >= 0)
) with (fillfactor = 70);

create table discount_uses (
  use_id      text   primary key,
  order_id    text   not null unique,
  discount_id text   not null,
  shop_id     text   not null,
  merchant_id text   not null,
  state       text   not null check (state in ('used', 'returned')),
  version     bigint not null,
  head        bytea  not null
);

-- check: all four are there, and nothing is used less than never
select count(*) = 4 and exists (select from pg_constraint where conrelid = 'discount_counters'::regclass and contype = 'c')
  from information_schema.tables
 where table_name in ('discounts', 'discount_codes', 'discount_counters', 'discount_uses');
