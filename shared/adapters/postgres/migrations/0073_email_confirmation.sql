-- An address gets messages only after its owner has said so. `confirm_asked` counts the requests, `confirm_sent` is the
-- last one that a mail was attempted for; tries of its code are counted. Addresses set before are not confirmed either.
alter table preferences
  add column email_digest       bytea,
  add column email_confirmed_at timestamptz,
  add column confirm_asked      int not null default 0,
  add column confirm_asked_at   timestamptz,
  add column confirm_sent       int not null default 0,
  add column confirm_tries      int not null default 0;

-- Mails that asked for a confirmation in the present window: of a person, and to an address, both as keyed digests.
create table confirmation_mails (
  who          bytea primary key check (length(who) = 32),
  window_start timestamptz not null,
  mails        int not null check (mails > 0)
) with (fillfactor = 70);
create index confirmation_mails_by_time on confirmation_mails (window_start);

-- check: no address counts as confirmed by itself
select not exists (select from preferences where email_confirmed_at is not null);
