"""Stock counters as a fold of order and supply facts: a hot SKU has no chain of its own."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from shared.adapters.postgres.database import Connection
from shared.kernel.facts import Recorded, fact_of
from shared.orders.facts import OrderPlaced
from shared.supply.facts import StockConsumed, StockReceived, StockReleased

_TYPES: Final = {fact.type for fact in (OrderPlaced, StockReceived, StockReleased, StockConsumed)}


class StockFold:
    """Adds up what was received, reserved, released and used, per shop and SKU."""

    def __init__(self) -> None:
        self._on_hand: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._reserved: defaultdict[tuple[str, str], int] = defaultdict(int)

    def add(self, event: Recorded) -> None:
        """Take one event into account; those that don't concern stock change nothing."""
        if event.type not in _TYPES:
            return
        match fact_of(event.type, event.body):
            case OrderPlaced() as placed:
                for line in placed.lines:
                    if line.sku is not None:
                        self._reserved[placed.shop_id, line.sku] += line.quantity
            case StockReceived() as fact:
                for stock in fact.lines:
                    self._on_hand[fact.shop_id, stock.sku] += stock.quantity
            case StockReleased() as fact:
                for stock in fact.lines:
                    self._reserved[fact.shop_id, stock.sku] -= stock.quantity
            case StockConsumed() as fact:
                for stock in fact.lines:
                    self._reserved[fact.shop_id, stock.sku] -= stock.quantity
                    self._on_hand[fact.shop_id, stock.sku] -= stock.quantity

    def differences(self, connection: Connection) -> Iterator[str]:
        """Yield a line for every counter that is not the sum of its facts."""
        rows = connection.execute("select shop_id, sku, on_hand, reserved from stock")
        counted = {(shop_id, sku): (on_hand, reserved) for shop_id, sku, on_hand, reserved in rows}
        for key in sorted(counted.keys() | self._on_hand.keys() | self._reserved.keys()):
            folded = (self._on_hand[key], self._reserved[key])
            if counted.get(key, (0, 0)) != folded:
                yield f"stock of {key[1]} in {key[0]}: {counted.get(key)} in the table, {folded} by its facts"
