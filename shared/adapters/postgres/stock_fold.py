"""Stock counters and their ledger as a fold of order and supply facts: a hot SKU has no chain of its own."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from shared.adapters.postgres.database import Connection, Row, Sql
from shared.kernel.facts import Recorded, fact_of
from shared.orders.facts import OrderModified, OrderPlaced
from shared.supply import facts
from shared.supply.facts import BaseUnit

BATCH: Final = 5_000
_MOVING: Final = (facts.StockReceived, facts.StockConsumed, facts.StockAdjusted, facts.StockTransferred)
_TYPES: Final = {fact.type for fact in (OrderPlaced, OrderModified, facts.RecipePut, facts.StockReleased, *_MOVING)}
_LEDGER: Final = Sql(
    "select shop_id, sku, entry, number, reason, delta, on_hand, event_id from stock_movements"
    f" where (shop_id, sku, entry) > (:shop_id, :sku, :entry::bigint) order by shop_id, sku, entry limit {BATCH}"
)
_COUNTERS: Final = "select shop_id, sku, on_hand, reserved, movements, unit from stock"
_MARKS: Final = """
select s.sku, s.shop_id from stock s left join stock_items i on i.shop_id = s.shop_id and i.sku = s.sku
 where s.sold_out_until is distinct from case when i.sold_out then coalesce(i.until, 'infinity') end
"""
_Shelf = tuple[str, str]
"""A shop and a SKU."""


@dataclass(slots=True)
class _Folded:
    """What facts say of a SKU at a shop."""

    on_hand: int = 0
    reserved: int = 0
    movements: int = 0
    unit: str = BaseUnit.PIECE
    digest: int = 0
    """Of all movements, in any order: which facts moved how much, and why."""


class StockFold:
    """Adds up what was received, reserved, released, used, adjusted and sent, per shop and SKU."""

    def __init__(self) -> None:
        self._folded: defaultdict[_Shelf, _Folded] = defaultdict(_Folded)

    def add(self, event: Recorded) -> None:
        """Take one event into account; those that don't concern stock change nothing."""
        if event.type not in _TYPES:
            return
        match fact_of(event.type, event.body):
            case OrderPlaced() as placed:
                for sku, quantity in placed.reserves.items():
                    self._folded[placed.shop_id, sku].reserved += quantity
            case OrderModified() as modified:
                for sign, parts in ((1, modified.takes), (-1, modified.freed)):
                    for part in parts:
                        self._folded[modified.shop_id, part.sku].reserved += sign * part.quantity
            case facts.RecipePut() as fact:
                for line in fact.takes:
                    self._counts((fact.shop_id, line.sku), line.unit)
            case facts.StockReceived() as fact:
                for stock in fact.lines:
                    self._move(event, (fact.shop_id, stock.sku), stock.quantity, "received", stock.unit)
            case facts.StockReleased() as fact:
                for stock in fact.lines:
                    self._folded[fact.shop_id, stock.sku].reserved -= stock.quantity
            case facts.StockConsumed() as fact:
                for stock in fact.lines:
                    self._folded[fact.shop_id, stock.sku].reserved -= stock.quantity
                    self._move(event, (fact.shop_id, stock.sku), -stock.quantity, "consumed")
            case facts.StockTransferred() as fact:
                for stock in fact.lines:
                    self._move(event, (fact.from_shop_id, stock.sku), -stock.quantity, "transferred_out", stock.unit)
                    self._move(event, (fact.to_shop_id, stock.sku), stock.quantity, "transferred_in", stock.unit)
            case facts.StockAdjusted() as fact:
                for adjusted in fact.lines:
                    self._move(event, (fact.shop_id, adjusted.sku), adjusted.delta, fact.reason, adjusted.unit)

    def _move(self, event: Recorded, shelf: _Shelf, delta: int, reason: str, unit: BaseUnit | None = None) -> None:
        self._counts(shelf, unit)
        folded = self._folded[shelf]
        folded.on_hand += delta
        folded.movements += 1
        folded.digest += hash((str(event.id), str(reason), delta))

    def _counts(self, shelf: _Shelf, unit: BaseUnit | None) -> None:
        """Note the unit of a SKU where a fact names one: all that do name the same."""
        if unit is not None:
            self._folded[shelf].unit = unit

    def differences(self, connection: Connection) -> Iterator[str]:
        """Yield a line for every counter that is not the sum of its facts, and for every ledger that is not theirs."""
        counted = {(shop_id, sku): rest for shop_id, sku, *rest in connection.execute(_COUNTERS)}
        for key in sorted(counted.keys() | self._folded.keys()):
            folded, shelf = self._folded[key], f"stock of {key[1]} in {key[0]}"
            on_hand, reserved, movements, unit = counted.get(key, (0, 0, 0, BaseUnit.PIECE))
            if (on_hand, reserved) != (folded.on_hand, folded.reserved):
                in_table = (on_hand, reserved) if key in counted else None
                yield f"{shelf}: {in_table} in the table, {(folded.on_hand, folded.reserved)} by its facts"
            if movements != folded.movements:
                yield f"{shelf}: moved {movements} times, {folded.movements} by its facts"
            if unit != folded.unit:
                yield f"{shelf}: counted in {unit}, in {folded.unit} by its facts"
        for sku, shop_id in connection.execute(_MARKS):
            yield f"stock of {sku} in {shop_id}: sold out in the table otherwise than by its facts"
        yield from self._ledger_differences(connection, {key: row[0] for key, row in counted.items()})

    def _ledger_differences(self, connection: Connection, on_hands: Mapping[_Shelf, int]) -> Iterator[str]:
        ledgers: defaultdict[_Shelf, _Folded] = defaultdict(_Folded)
        for shop_id, sku, _, number, reason, delta, on_hand, event_id in _ledger(connection):
            ledger = ledgers[shop_id, sku]
            if (number, on_hand) != (ledger.movements + 1, ledger.on_hand + delta):
                yield f"stock of {sku} in {shop_id}: the ledger's balance breaks at movement {number}"
            ledger.movements, ledger.on_hand = number, on_hand
            ledger.digest += hash((str(event_id), str(reason), delta))
        for key in sorted(ledgers.keys() | self._folded.keys()):
            ledger, folded = ledgers[key], self._folded[key]
            if (ledger.movements, ledger.digest) != (folded.movements, folded.digest):
                yield f"stock of {key[1]} in {key[0]}: its ledger is not that of its facts"
            elif ledger.movements and ledger.on_hand != on_hands.get(key, 0):
                yield f"stock of {key[1]} in {key[0]}: its ledger ends at {ledger.on_hand}"


def _ledger(connection: Connection) -> Iterator[Row]:
    shop_id, sku, entry = "", "", 0
    while rows := connection.run(_LEDGER, {"shop_id": shop_id, "sku": sku, "entry": entry}):
        yield from rows
        shop_id, sku, entry = rows[-1][:3]
