-- A staff key may be bound to several shops; `shop_id` stays the one, or the first of them, for code that knows no more.
alter table api_keys add column shop_ids jsonb not null default '[]' check (jsonb_typeof(shop_ids) = 'array');

-- check: keys from before are bound as they were
select count(*) = 0 from api_keys where jsonb_array_length(shop_ids) > 0;
