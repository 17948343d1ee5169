"""What moves stock counters: parts of a stream's own statement, so that fact, counters and ledger are one commit.

Counters are locked in the order of their keys, as placing an order locks them: nobody waits in a circle. `stock` counts
how often what is on hand of a SKU has moved; each of these movements is a row of `stock_movements` with the balance
after it. What orders hold is counted beside it, and moves nothing until it is used.

New counters are computed from the row as it was locked, not as the update finds it: an update computes, and checks
constraints, on the row of the statement's snapshot first, which may be from before somebody else's commit.
"""


def moving(given: str) -> str:
    """Return the parts that move what the select `given` says.

    Its columns: shop_id, sku (one row a pair), merchant_id, delta (of what is on hand), freed (of what is reserved),
    reason (null: nothing moves, something is only freed), order_id, expected (the version that the SKU must have, or
    null), unit (that it must be counted in, or null). What would leave less on hand than is held, is not at its
    version or is counted in another unit is refused as moved on.
    """
    return f""",
given as materialized ({given}),
locked as materialized (
  select s.shop_id, s.sku, s.on_hand, s.reserved, s.movements, s.unit from stock s
   where (s.shop_id, s.sku) in (select shop_id, sku from given) order by s.shop_id, s.sku for update),
sound as materialized (
  select case when exists (
           select from given g left join locked l using (shop_id, sku)
            where coalesce(l.on_hand, 0) + g.delta < coalesce(l.reserved, 0) - g.freed
               or g.expected <> coalesce(l.movements, 0) or g.unit <> l.unit)
         then refuse('CR001', 'stock moved on') else true end as so),
moved as (
  update stock s
     set on_hand = l.on_hand + g.delta, reserved = l.reserved - g.freed,
         movements = l.movements + case when g.reason is null then 0 else 1 end
    from given g join locked l using (shop_id, sku), sound
   where sound.so and s.shop_id = g.shop_id and s.sku = g.sku
  returning s.shop_id, s.sku, s.on_hand, s.movements, s.unit),
laid as (
  insert into stock as s (shop_id, sku, merchant_id, on_hand, movements, unit)
  select g.shop_id, g.sku, g.merchant_id, g.delta, 1, coalesce(g.unit, 'piece')
    from given g left join locked l using (shop_id, sku), sound
   where sound.so and l.sku is null and g.reason is not null
   order by g.shop_id, g.sku
  on conflict (shop_id, sku) do update set on_hand = s.on_hand + excluded.on_hand, movements = s.movements + 1
  returning s.shop_id, s.sku, s.on_hand, s.movements, s.unit),
noted as (
  insert into stock_movements (shop_id, sku, number, merchant_id, reason, delta, on_hand, order_id, event_id, actor, at)
  select m.shop_id, m.sku,
         case when coalesce(g.expected + 1, m.movements) = m.movements and coalesce(g.unit, m.unit) = m.unit
              then m.movements
              when refuse('CR001', 'stock moved on') then 0 end,
         g.merchant_id, g.reason, g.delta, m.on_hand, g.order_id, e.id, e.actor, e.at
    from (select * from moved union all select * from laid) m join given g using (shop_id, sku),
         jsonb_to_recordset(:events::jsonb) as e(id text, actor text, at timestamptz)
   where g.reason is not null
   order by m.shop_id, m.sku)"""
