-- A person has several wallets. `wallet_owners` says whose an account (CAIP-10) is: it follows from the rows of `users`,
-- in their own commits, and holds that an account is one person's.
alter table users
  add column contract    boolean not null default false,
  add column linked      jsonb   not null default '[]' check (jsonb_typeof(linked) = 'array'),
  add column unlinked_at timestamptz,
  drop constraint users_address_once;

create table wallet_owners (
  account text primary key,
  user_id text not null
);
create index wallet_owners_by_user on wallet_owners (user_id);

create function accounts_of(person users) returns setof text language sql immutable as $$
  select 'eip155:' || case when person.contract then person.chain_id || ':' else '' end || person.address
   where person.unlinked_at is null
  union all
  select each ->> 'account' from jsonb_array_elements(person.linked) each
$$;

create function people_own_their_wallets() returns trigger language plpgsql as $$
begin
  delete from wallet_owners where user_id = new.user_id and account not in (select accounts_of(new));
  insert into wallet_owners (account, user_id)
  select account, new.user_id from accounts_of(new) account
   where account not in (select w.account from wallet_owners w where w.user_id = new.user_id);
  return null;
end $$;

insert into wallet_owners (account, user_id) select 'eip155:' || address, user_id from users;

create trigger people_own_their_wallets after insert or update on users
  for each row execute function people_own_their_wallets();

-- check: everybody has the wallet that they came with
select count(*) = 0 from users u where not exists (select from wallet_owners w where w.user_id = u.user_id);
