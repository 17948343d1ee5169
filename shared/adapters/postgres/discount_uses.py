"""The parts of the statement that places orders which count the discounts they use; left out where none uses any.

The counters are locked after the stock and in the order of their ids, by everybody: nobody waits in a circle.
"""

from collections.abc import Sequence
from typing import Final

from shared.adapters.postgres.order_limits import Limit, array
from shared.kernel.facts import GENESIS
from shared.kernel.ids import DiscountUseId
from shared.orders.discounts import DiscountUsedUp
from shared.orders.facts import discount_of
from shared.orders.model import Order

_SPENT: Final = """,
uses as materialized (
  select * from unnest(:used_by::int[], :discount_ids::text[]) as u(n, discount_id)),
left_over as materialized (
  select c.*
    from (select distinct discount_id from uses where (select count(*) from {behind}) >= 0 order by discount_id) u,
         lateral (select discount_id, coalesce(most - used, 9223372036854775807) as free from discount_counters
                   where discount_counters.discount_id = u.discount_id for update) c),
spent as materialized (
  select n, free <= 0 as surely
    from (select u.n, coalesce(l.free, 0) as free, row_number() over (partition by u.discount_id order by u.n) as nth
            from uses u left join left_over l using (discount_id)) u
   where nth > free)"""
"""Which requests have a discount of which too few uses are left."""

_USED: Final = f""",
counted as (
  update discount_counters c set used = c.used + u.uses
    from (select discount_id, count(*) as uses from uses join fresh using (n) group by discount_id) u
   where c.discount_id = u.discount_id),
laid as (
  insert into discount_uses (use_id, order_id, discount_id, shop_id, merchant_id, state, version, head)
  select '{DiscountUseId.prefix}' || substr(f.order_id, 4), f.order_id, u.discount_id, f.shop_id, f.merchant_id, 'used',
         0, '\\x{GENESIS.hex()}'::bytea
    from fresh f join uses u using (n))"""
"""What goes into the commit of those that fit: the counters, and a use of each order."""


def _params(orders: Sequence[Order]) -> dict[str, str] | None:
    """Return the parameters that say who uses which discount."""
    found = [(n, discount_of(order.lines)) for n, order in enumerate(orders)]
    used = [(n, discount_id) for n, discount_id in found if discount_id is not None]
    if not used:
        return None
    return {"used_by": array(n for n, _ in used), "discount_ids": array(discount_id for _, discount_id in used)}


def _refusal(_: Order) -> Exception:
    return DiscountUsedUp("As many orders have it as may have it.")


DISCOUNTS: Final = Limit("discount", "left_over", "spent", _SPENT, _USED, _params, _refusal)
