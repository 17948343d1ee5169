-- A cursor's first block is appended like any other fact; epoch and proofs follow in the same transaction.
alter table chain_cursors
  alter column generation set default 1,
  alter column epoch set default 0,
  alter column caught_up_at set default 'epoch';

-- check: the three have their defaults
select count(*) = 3 from information_schema.columns
 where table_name = 'chain_cursors' and column_default is not null
   and column_name in ('generation', 'epoch', 'caught_up_at');
