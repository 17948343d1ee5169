"""Units of goods: what staff write, and the base units in which stock is counted. Whole numbers, exact conversions.

Units that have no whole number of a base unit (an ounce has 28.349523125 g) are not offered.
"""

from enum import StrEnum
from typing import Final, overload

from shared.supply.facts import BaseUnit


class Unit(StrEnum):
    """A unit as staff write it."""

    G = "g"
    KG = "kg"
    ML = "ml"
    CL = "cl"
    L = "l"
    PIECE = "piece"
    DOZEN = "dozen"


_BASE: Final = {
    Unit.G: (BaseUnit.G, 1),
    Unit.KG: (BaseUnit.G, 1000),
    Unit.ML: (BaseUnit.ML, 1),
    Unit.CL: (BaseUnit.ML, 10),
    Unit.L: (BaseUnit.ML, 1000),
    Unit.PIECE: (BaseUnit.PIECE, 1),
    Unit.DOZEN: (BaseUnit.PIECE, 12),
}


@overload
def base_of(unit: Unit) -> BaseUnit: ...
@overload
def base_of(unit: Unit | None) -> BaseUnit | None: ...
def base_of(unit: Unit | None) -> BaseUnit | None:
    """Return the base unit of a unit; None for None, which is whatever the SKU is counted in."""
    return None if unit is None else _BASE[unit][0]


def in_base(quantity: int, unit: Unit | None) -> int:
    """Return a quantity in base units."""
    return quantity if unit is None else quantity * _BASE[unit][1]
