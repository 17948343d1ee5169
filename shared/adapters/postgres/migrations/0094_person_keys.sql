-- What is personal in a person's facts is sealed with a key of their own, and their wallets are found by keyed digests.
-- Erasing a person destroys their key: their facts stay, chained as they are, and can be opened by nobody.
create table person_keys (
  user_id    text  primary key,
  sealed_key bytea not null,
  made_at    timestamptz not null default clock_timestamp()
);

alter table users
  add column account   text,
  add column erased_at timestamptz,
  drop constraint users_address_check;
comment on column users.address is 'sealed with the person''s key; in clear of those who came before there were keys; empty of the erased';

create or replace function accounts_of(person users) returns setof text language sql immutable as $$
  select coalesce(person.account,
                  'eip155:' || case when person.contract then person.chain_id || ':' else '' end || person.address)
   where person.unlinked_at is null and person.erased_at is null
  union all
  select each ->> 'account' from jsonb_array_elements(person.linked) each where person.erased_at is null
$$;

-- check: everybody has the wallets that they had
select count(*) = 0 from users u
 where u.unlinked_at is null and not exists (select from wallet_owners w where w.user_id = u.user_id);
