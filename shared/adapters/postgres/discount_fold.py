"""The counters of discounts as a fold of order and catalog facts: what is used often has no chain of its own."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from shared.adapters.postgres.database import Connection
from shared.catalog.facts import DiscountReturned
from shared.kernel.facts import Recorded, fact_of
from shared.orders.facts import OrderPlaced, discount_of

_DISCOUNT: Final = b'"discount":{'
"""Stands in the canonical form of an order's lines that have one: the others need not be parsed."""
_TYPES: Final = {fact.type for fact in (OrderPlaced, DiscountReturned)}


class DiscountFold:
    """Adds up how many orders have each discount, and which."""

    def __init__(self) -> None:
        self._used: Counter[str] = Counter()
        self._by_order: dict[str, str] = {}

    def add(self, event: Recorded) -> None:
        """Take one event into account; those that don't concern discounts change nothing."""
        if event.type not in _TYPES or (event.type == OrderPlaced.type and _DISCOUNT not in event.body):
            return
        match fact_of(event.type, event.body):
            case OrderPlaced() as placed:
                discount_id = discount_of(placed.lines)
                if discount_id is not None:
                    self._used[discount_id] += 1
                    self._by_order[placed.order_id] = discount_id
            case DiscountReturned() as returned:
                self._used[returned.discount_id] -= 1

    def differences(self, connection: Connection) -> Iterator[str]:
        """Yield a line for every counter, and every order's use, that is not what the facts say."""
        rows = connection.execute("select discount_id, used from discount_counters")
        counted: dict[str, int] = {str(row[0]): int(row[1]) for row in rows}
        for discount_id in sorted(counted.keys() | self._used.keys()):
            if counted.get(discount_id, 0) != self._used[discount_id]:
                found, count = counted.get(discount_id), self._used[discount_id]
                yield f"uses of {discount_id}: {found} in the table, {count} by its facts"
        rows = connection.execute("select order_id, discount_id from discount_uses")
        laid: dict[str, str] = {str(row[0]): str(row[1]) for row in rows}
        for order_id in sorted(laid.keys() | self._by_order.keys()):
            has, folded = laid.get(order_id), self._by_order.get(order_id)
            if has != folded:
                yield f"{order_id}: has {has} as its discount, {folded} by its facts"
