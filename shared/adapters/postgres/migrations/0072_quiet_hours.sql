-- Messages that wait for quiet hours to end, and channels by topic.
alter table notifications add column held boolean not null default false, add column held_until timestamptz;
create index notifications_held on notifications (held_until) where held;
alter table preferences add column topics jsonb not null default '{}';

-- check: nothing is held that was queued before
select not exists (select from notifications where held);
