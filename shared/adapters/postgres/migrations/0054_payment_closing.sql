-- How a payment ends besides expiring: its customer chose another coin, its order takes no money any more, or the goods
-- are gone and so are the coins.
alter table payments
  add column superseded  boolean not null default false,
  add column closed      text check (closed in ('order_cancelled', 'paid_otherwise')),
  add column written_off boolean not null default false;
comment on column payments.superseded is 'the customer chose another coin; it can still be paid';
comment on column payments.closed is 'why the order takes no money of it any more';
comment on column payments.written_off is 'the order was handed over and the chain took the payment back';

-- When a transfer was first mined. Facts of before say it of those that stand.
update payments
   set transfers = (select jsonb_agg(t || jsonb_build_object('first_mined', t -> 'inclusion' -> 'time') order by n)
                      from jsonb_array_elements(transfers) with ordinality as each(t, n))
 where transfers <> '[]';

drop index payments_one_active;
create unique index payments_one_active on payments (order_id) where not expired and not superseded and closed is null;
create unique index payments_one_settled on payments (order_id) where settled and closed is null;
create index payments_by_order on payments (order_id);

-- check: an order has one active payment, and one that stands settled
select count(*) = 2 from pg_indexes
 where schemaname = current_schema() and indexname in ('payments_one_active', 'payments_one_settled');
