-- How often a payment was quoted anew, for what was left to pay when its time was up.
alter table payments add column requotes int not null default 0 check (requotes >= 0);

-- check: payments count their quotes
select count(*) = 1 from information_schema.columns
 where table_schema = current_schema() and table_name = 'payments' and column_name = 'requotes';
