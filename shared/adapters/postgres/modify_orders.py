"""Changing an order: what it holds of stock and time goes with it, in one transaction under the order's lock.

A payment is appended under a share of that lock: whoever has it alone sees every payment that was asked for, and
whoever asks afterwards finds another version. Locks come in the order in which others take them: order, hold, stock,
slots.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.adapters.postgres.database import Connection, Sql
from shared.adapters.postgres.order_limits import array
from shared.adapters.postgres.recording import once_params, prepare
from shared.adapters.postgres.statement import StateTable, append_sql, rows_sql
from shared.adapters.postgres.store import stored
from shared.kernel.clock import rfc3339
from shared.kernel.decision import By, Claim, Decided, Stored
from shared.kernel.encoding import to_json
from shared.kernel.errors import Bug, VersionConflict
from shared.kernel.facts import Fact
from shared.kernel.ids import OrderId
from shared.kernel.reply import Reply
from shared.orders.facts import OrderDestinationSet, OrderModified, taken
from shared.orders.model import Order, OrderView
from shared.orders.ports import PaymentAsked, SoldOut
from shared.orders.slots import SlotFull, quantity

_ASKED: Final = Sql("select 1 from payments where order_id = :order_id limit 1")
_HOLD: Final = Sql(
    "select l.sku, l.quantity from stock_holds h, jsonb_to_recordset(h.lines) as l(sku text, quantity bigint)"
    " where h.order_id = :order_id and h.state = 'held'"
)
_LOCK_HOLD: Final = Sql("select reservation_id from stock_holds where order_id = :order_id for update")
_FREE: Final = Sql(
    "select sku, case when sold_out_until > clock_timestamp() then 0 else on_hand - reserved end from stock"
    " where shop_id = :shop_id and sku = any(:skus::text[])"
    " order by sku for update"
)
_MOVE: Final = Sql(
    "update stock s set reserved = s.reserved + d.delta from unnest(:skus::text[], :deltas::bigint[]) as d(sku, delta)"
    " where s.shop_id = :shop_id and s.sku = d.sku"
)
_HELD: Final = Sql("update stock_holds set lines = :lines::jsonb where order_id = :order_id")
_OPEN: Final = Sql(
    "insert into order_slots (shop_id, slot) select :shop_id, s from unnest(:slots::timestamptz[]) s order by s"
    " on conflict do nothing"
)
_LOCK_SLOTS: Final = Sql(
    "select slot from order_slots where shop_id = :shop_id and slot = any(:slots::timestamptz[])"
    " order by slot for update"
)
_COUNT: Final = Sql(
    "update order_slots set orders = greatest(orders + :orders::bigint, 0),"
    " items = greatest(items + :items::bigint, 0), value = greatest(value + :value::bigint, 0)"
    " where shop_id = :shop_id and slot = :slot::timestamptz"
)
_OVER: Final = Sql(
    "select coalesce(t.orders > (s.capacity ->> 'orders')::bigint, false)"
    " or coalesce(t.items > (s.capacity ->> 'items')::bigint, false)"
    " or coalesce(t.value > (s.capacity ->> 'value')::bigint, false)"
    " from order_slots t join shops s using (shop_id) where t.shop_id = :shop_id and t.slot = :slot::timestamptz"
)


@dataclass(frozen=True, slots=True)
class Modifying:
    """One attempt to change one order."""

    table: StateTable[Order]
    region: str
    order_id: OrderId
    rule: Callable[[Order | None], Sequence[Fact]]
    by: By
    now: datetime
    reply: Callable[[Stored[Order]], Reply[OrderView]]
    if_match: int | None

    def run(self, connection: Connection) -> Stored[Order]:
        """Do it, within a transaction. Raises what the rule raises, PaymentAsked, SoldOut, SlotFull."""
        found = self._locked(connection)
        (fact,) = self.rule(found.state if found else None)
        if found is None or not isinstance(fact, OrderModified | OrderDestinationSet):
            raise Bug(f"{self.order_id} is not changed by {fact.type}")
        if connection.run(_ASKED, {"order_id": self.order_id}):
            raise PaymentAsked("What is to be paid for it is locked. Cancel it, and place another.")
        if isinstance(fact, OrderModified):
            freed = self._held(connection)
            fact = fact.model_copy(update={"freed": taken(freed)})
            _move_stock(connection, found.state, freed, {line.sku: line.quantity for line in fact.takes})
        after, ready = prepare(
            self.table,
            self.order_id,
            found,
            Decided((fact,)),
            by=self.by,
            now=self.now,
            region=self.region,
            reply=self.reply,
        )
        _move_time(connection, found.state, after.state)
        params = {
            "version": ready.version,
            "head": ready.head,
            "row": ready.row,
            "expected": ready.expected,
            "events": to_json(ready.events),
            "outbox": to_json(ready.outbox),
            **once_params(ready.once, ready.reply, self.now),
        }
        connection.run(append_sql(self.table, "claim" if isinstance(self.by.once, Claim) else "", None), params)
        return after

    def _locked(self, connection: Connection) -> Stored[Order] | None:
        rows = connection.run(rows_sql(self.table, f"where {self.table.key} = :id for update"), {"id": self.order_id})
        found = stored(Order, rows[0]) if rows else None
        if self.if_match is not None and (found.version if found else 0) != self.if_match:
            raise VersionConflict("The ETag in If-Match is not the current one. Read again and repeat.")
        return found

    def _held(self, connection: Connection) -> Mapping[str, int]:
        connection.run(_LOCK_HOLD, {"order_id": self.order_id})
        return {str(sku): int(held) for sku, held in connection.run(_HOLD, {"order_id": self.order_id})}


def _move_stock(connection: Connection, order: Order, freed: Mapping[str, int], takes: Mapping[str, int]) -> None:
    """Hold what the order takes now instead of what it held. Raises SoldOut."""
    skus = sorted({*freed, *takes})
    deltas = [takes.get(sku, 0) - freed.get(sku, 0) for sku in skus]
    free = {sku: int(left) for sku, left in connection.run(_FREE, {"shop_id": order.shop_id, "skus": skus})}
    for sku, delta in zip(skus, deltas, strict=True):
        if delta > free.get(sku, 0):
            left = free.get(sku, 0) + freed.get(sku, 0)
            raise SoldOut(f"Only {left} of {sku} left.", sku=sku, available=left)
    connection.run(_MOVE, {"shop_id": order.shop_id, "skus": skus, "deltas": deltas})
    lines = [{"sku": sku, "quantity": takes[sku]} for sku in sorted(takes)]
    connection.run(_HELD, {"order_id": order.order_id, "lines": to_json(lines)})


def _move_time(connection: Connection, before: Order, after: Order) -> None:
    """Count the order in its present slot instead of the one before. Raises SlotFull."""
    slots = sorted({slot for slot in (before.slot, after.slot) if slot is not None})
    if not slots:
        return
    shop = {"shop_id": after.shop_id}
    both = array(rfc3339(slot) for slot in slots)
    connection.run(_OPEN, {**shop, "slots": both})
    connection.run(_LOCK_SLOTS, {**shop, "slots": both})
    for order, sign in ((before, -1), (after, 1)):
        if order.slot is not None:
            counts = {"orders": sign, "items": sign * quantity(order.lines), "value": sign * order.total}
            connection.run(_COUNT, {**shop, "slot": order.slot, **counts})
    if after.slot is None:
        return
    ((over,),) = connection.run(_OVER, {**shop, "slot": after.slot})
    grown = before.slot != after.slot or quantity(after.lines) > quantity(before.lines) or after.total > before.total
    if over and grown:
        raise SlotFull("The shop has all it can make then.", slot=rfc3339(after.slot))
