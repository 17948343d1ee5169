-- What Kafka lost goes out again from `events`: up to where nothing is missing, and what was sent again, how often.
-- Neither is a fact: both may be emptied at any time, at the price of looking again and sending again.
create table redelivery_cursors (
  region        text primary key,
  settled_until timestamptz not null
);

create table redeliveries (
  event_id text primary key,
  times    int  not null,
  at       timestamptz not null default clock_timestamp()
);
create index redeliveries_by_time on redeliveries (at);

-- check: both tables are there
select count(*) = 2 from information_schema.tables
 where table_schema = 'public' and table_name in ('redelivery_cursors', 'redeliveries');
