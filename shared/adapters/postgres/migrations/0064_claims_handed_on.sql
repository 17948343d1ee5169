-- A claim's code can be replaced (its serial number grows), be somebody else's to show, or be revoked.
alter table claims
  add column serial int not null default 0 check (serial >= 0),
  add column holder_id text,
  drop constraint claims_status_check,
  add constraint claims_status_check check (status in ('issued', 'revoked', 'redeemed'));

-- check: every claim has the code that it was issued with
select count(*) = 0 from claims where serial <> 0 or holder_id is not null;
