-- When the chain took a settlement back: from then on it is held for a day, whatever else comes meanwhile.
alter table payments add column reversed_at timestamptz;

-- Rows of before: their facts know.
update payments p
   set reversed_at = (select max((convert_from(e.body, 'UTF8')::jsonb ->> 'at')::timestamptz) from events e
                       where e.stream = p.payment_id and e.type = 'payment.reversed.v1')
 where exists (select from events e where e.stream = p.payment_id and e.type = 'payment.reversed.v1');

-- check: payments say when they were reversed
select count(*) = 1 from information_schema.columns
 where table_schema = current_schema() and table_name = 'payments' and column_name = 'reversed_at';
