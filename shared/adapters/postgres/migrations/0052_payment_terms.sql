-- By what each payment is judged. Payments from before have none: nothing may be missing, nothing is dust.
alter table payments
  add column tolerance   numeric(78, 0) not null default 0 check (tolerance >= 0),
  add column dust        numeric(78, 0) not null default 0 check (dust >= 0),
  add column final_depth int not null default 0 check (final_depth >= 0),
  add constraint payments_need_something check (due - tolerance > 0 and dust <= due - tolerance);
comment on column payments.tolerance is 'base units that may be missing of what is due';
comment on column payments.dust is 'base units: a transfer below counts for nothing';
comment on column payments.final_depth is 'confirmations from which it may be final, besides the chain''s own rule';

-- check: payments have their terms
select count(*) = 3 from information_schema.columns
 where table_schema = current_schema() and table_name = 'payments'
   and column_name in ('tolerance', 'dust', 'final_depth');
