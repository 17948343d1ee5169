-- Refunds: kept on the payment whose coins they are, so that reserving is part of the payment's own version.
alter table payments
  add column refunds jsonb not null default '[]';
comment on column payments.refunds is 'what is given back, or was, oldest first';
-- Most payments have none, and cost nothing here.
create index payments_refunds on payments using gin (refunds jsonb_path_ops) where refunds <> '[]';
create index payments_refunded_by_shop on payments (shop_id) where refunds <> '[]';

-- What a signed refund uses up of its chain: a coin (`<txid>:<output>`) or a nonce (`nonce:<n>`). Written in the commit
-- that stores the signed bytes; a slot has one refund at a time, so no two of them can be paid from it.
create table hot_wallet_slots (
  chain      text        not null,
  slot       text        not null,
  refund_id  text        not null,
  payment_id text        not null,
  spent      boolean     not null default false,
  taken_at   timestamptz not null default clock_timestamp(),
  primary key (chain, slot)
);
comment on column hot_wallet_slots.spent is 'a final block has used it up; until then nobody else may draft with it';
create index hot_wallet_slots_unspent on hot_wallet_slots (chain) where not spent;
create index hot_wallet_slots_by_refund on hot_wallet_slots (refund_id);

create function hot_wallet_slots_stay() returns trigger language plpgsql as $$
begin
  if (new.chain, new.slot, new.refund_id) <> (old.chain, old.slot, old.refund_id) or old.spent then
    raise exception 'a slot is not given to another refund';
  end if;
  return new;
end $$;
create trigger hot_wallet_slots_stay before update on hot_wallet_slots
  for each row execute function hot_wallet_slots_stay();

-- check: payments have refunds, slots have one owner each
select count(*) = 2 from pg_indexes
 where schemaname = current_schema() and indexname in ('payments_refunds', 'hot_wallet_slots_pkey');
