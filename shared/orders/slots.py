"""When an order is made: in a quarter of an hour that has room for it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.kernel.errors import Conflict
from shared.orders.facts import OrderLine

SLOT: Final = timedelta(minutes=15)
"""Time zones lie whole quarters of an hour apart: these are the same slots everywhere."""


class SlotFull(Conflict):
    """The shop has all the orders that it can make at that time."""

    type = "slot-full"
    title = "The shop is full at that time"


@dataclass(frozen=True, slots=True)
class SlotUse:
    """What is taken of a slot: orders, items, and their value in minor units."""

    starts_at: datetime
    orders: int
    items: int
    value: int


def slot_of(moment: datetime) -> datetime:
    """Return the beginning of the slot that a moment lies in."""
    return datetime.fromtimestamp(moment.timestamp() // SLOT.total_seconds() * SLOT.total_seconds(), UTC)


def quantity(lines: Iterable[OrderLine]) -> int:
    """Return how many things an order is."""
    return sum(line.quantity for line in lines)
