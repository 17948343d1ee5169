-- People list what they paid: their payments by customer, newest first.
create index payments_of_customer on payments (customer_id, payment_id desc);

-- check: the index is there
select count(*) = 1 from pg_indexes where schemaname = current_schema() and indexname = 'payments_of_customer';
