"""How much a shop makes in a quarter of an hour: counters in Postgres, taken in the commit that places an order.

The row of a slot is made before the statement that counts in it: what a statement inserts it can't lock and read.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.order_limits import Limit, array
from shared.kernel.clock import rfc3339
from shared.kernel.ids import ShopId
from shared.orders.model import Order
from shared.orders.slots import SlotFull, SlotUse, quantity

_KNOWN: Final = 10_000
_OPEN: Final = Sql(
    "insert into order_slots (shop_id, slot) values (:shop_id, :slot::timestamptz) on conflict do nothing"
)
_BETWEEN: Final = Sql(
    "select slot, orders, items, value from order_slots"
    " where shop_id = :shop_id and slot >= :since::timestamptz and slot < :until::timestamptz"
)
DRIFT: Final = (
    "select coalesce(s.shop_id, o.shop_id) || ' at ' || coalesce(s.slot, o.slot) from order_slots s full join ("
    " select shop_id, slot, count(*) as orders, sum(total)::bigint as value, sum(items)::bigint as items from ("
    "  select shop_id, slot, total, (select sum((line ->> 'quantity')::bigint) from jsonb_array_elements(lines) line)"
    "   as items from orders where slot is not null and status not in ('cancelled', 'expired')) taken"
    " group by shop_id, slot) o using (shop_id, slot)"
    " where (coalesce(s.orders, 0), coalesce(s.items, 0), coalesce(s.value, 0))"
    " <> (coalesce(o.orders, 0), coalesce(o.items, 0), coalesce(o.value, 0))"
)
"""Slots whose counters are not what their orders say."""

_FULL: Final = """,
wanted as materialized (
  select w.*, row_number() over b as nth_order, sum(items) over b as nth_item, sum(value) over b as nth_value,
         coalesce((c.capacity ->> 'orders')::bigint, 9223372036854775807) as most_orders,
         coalesce((c.capacity ->> 'items')::bigint, 9223372036854775807) as most_items,
         coalesce((c.capacity ->> 'value')::bigint, 9223372036854775807) as most_value
    from unnest(:slot_by::int[], :slot_shops::text[], :slots::timestamptz[], :slot_items::bigint[],
                :slot_values::bigint[]) as w(n, shop_id, slot, items, value) join shops c using (shop_id)
  window b as (partition by shop_id, slot order by n)),
slots as materialized (
  select s.*
    from (select distinct shop_id, slot from wanted where (select count(*) from {behind}) >= 0
           order by shop_id, slot) w,
         lateral (select shop_id, slot, orders, items, value from order_slots
                   where order_slots.shop_id = w.shop_id and order_slots.slot = w.slot for update) s),
overfull as materialized (
  select w.n, s.slot is null or s.orders + 1 > most_orders or s.items + w.items > most_items
              or s.value + w.value > most_value as surely
    from wanted w left join slots s using (shop_id, slot)
   where s.slot is null or s.orders + nth_order > most_orders or s.items + nth_item > most_items
      or s.value + nth_value > most_value)"""
"""Which requests are too much for their slot."""

_FILLED: Final = """,
filled as (
  update order_slots s set orders = s.orders + w.orders, items = s.items + w.items, value = s.value + w.value
    from (select w.shop_id, w.slot, count(*) as orders, sum(w.items)::bigint as items, sum(w.value)::bigint as value
            from wanted w join fresh f using (n) group by w.shop_id, w.slot) w
   where s.shop_id = w.shop_id and s.slot = w.slot)"""

FREED: Final = """,
freed as (
  update order_slots s set orders = greatest(s.orders - 1, 0), value = greatest(s.value - r.total, 0),
         items = greatest(
           s.items - (select sum((line ->> 'quantity')::bigint) from jsonb_array_elements(r.lines) line), 0)
    from jsonb_populate_record(null::orders, :row::jsonb) r
   where r.slot is not null and r.status in ('cancelled', 'expired') and s.shop_id = r.shop_id and s.slot = r.slot
     and exists (select from state))"""
"""What an order gives back that is called off: part of the statement that appends to an order, which ends once.

Never below nothing: counters that got lost with a database and began anew must not keep an order from being called off.
"""


def _params(orders: Sequence[Order]) -> dict[str, str] | None:
    """Return the parameters that say who wants to be made when."""
    found = [(n, order, order.slot) for n, order in enumerate(orders)]
    wanted = [(n, order, slot) for n, order, slot in found if slot is not None]
    if not wanted:
        return None
    return {
        "slot_by": array(n for n, _, _ in wanted),
        "slot_shops": array(order.shop_id for _, order, _ in wanted),
        "slots": array(rfc3339(slot) for _, _, slot in wanted),
        "slot_items": array(quantity(order.lines) for _, order, _ in wanted),
        "slot_values": array(order.total for _, order, _ in wanted),
    }


def _refusal(order: Order) -> Exception:
    slot = {} if order.slot is None else {"slot": rfc3339(order.slot)}
    return SlotFull("The shop has all it can make then. Choose another time; list_slots tells which are left.", **slot)


SLOTS: Final = Limit("slot", "slots", "overfull", _FULL, _FILLED, _params, _refusal)


class PostgresOrderSlots:
    """The counters. What this process has made once it does not make again."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: set[tuple[str, datetime]] = set()

    async def opened(self, order: Order) -> None:
        """Make the counters that an order will be counted in, unless they are there."""
        if order.slot is None or (order.shop_id, order.slot) in self._known:
            return
        await self._db.run(_OPEN, shop_id=order.shop_id, slot=order.slot)
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known.add((order.shop_id, order.slot))

    def doubted(self, order: Order) -> None:
        """Make them again the next time: a full slot may be one whose counters got lost with a database."""
        if order.slot is not None:
            self._known.discard((order.shop_id, order.slot))

    async def between(self, shop_id: ShopId, since: datetime, until: datetime) -> Sequence[SlotUse]:
        """Return what is taken of the shop's slots that begin in [since, until); those missing are empty."""
        rows = await self._db.run(_BETWEEN, shop_id=shop_id, since=since, until=until)
        return [SlotUse(slot, orders, items, value) for slot, orders, items, value in rows]
