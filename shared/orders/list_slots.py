"""list_slots: when a shop has room for an order, on one day of its own."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from pydantic import Field

from shared.kernel.errors import Invalid
from shared.kernel.hours import open_window
from shared.kernel.ids import ShopId
from shared.kernel.money import Fiat, Frozen
from shared.kernel.reply import Reply
from shared.orders.lifecycle import LATEST, SOONEST
from shared.orders.ports import Orders, ShopTerms
from shared.orders.slots import SLOT, SlotUse, slot_of


class ListSlots(Frozen):
    """Which day of which shop."""

    shop_id: ShopId
    day: date | None = Field(default=None, description="In the shop's own time zone; today unless given")


class Slot(Frozen):
    """A quarter of an hour in which the shop is open. What is not shown as left has no limit."""

    starts_at: datetime
    available: bool = Field(description="Whether there is room for one more order, of one item at least")
    orders_left: int | None = None
    items_left: int | None = None
    value_left: Fiat | None = None


class Slots(Frozen):
    """The slots of a day that orders can be placed for, in order."""

    day: date
    timezone: str
    slots: tuple[Slot, ...]


class SlotCounters(Protocol):
    """Reads what is taken, from the primary."""

    async def between(self, shop_id: ShopId, since: datetime, until: datetime) -> Sequence[SlotUse]:
        """Return what is taken of the shop's slots that begin in [since, until); those missing are empty."""
        ...


async def list_slots(asked: ListSlots, *, using: Orders, counters: SlotCounters) -> Reply[Slots]:
    """Return the day's slots from a few minutes from now on. Raises NotFound, Invalid for a day too far off."""
    now = using.clock.now()
    shop = await using.shops.terms(asked.shop_id)
    zone = ZoneInfo(shop.timezone)
    day = asked.day or now.astimezone(zone).date()
    if not now.astimezone(zone).date() <= day <= (now + LATEST).astimezone(zone).date():
        raise Invalid(f"day: from today to {LATEST.days} days from now.")
    since, until = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
    taken = {use.starts_at: use for use in await counters.between(asked.shop_id, since, until)}
    slots = tuple(_slots(shop, taken, max(since, now + SOONEST), min(until, now + LATEST)))
    return Reply(Slots(day=day, timezone=shop.timezone, slots=slots))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _slots(shop: ShopTerms, taken: Mapping[datetime, SlotUse], since: datetime, until: datetime) -> Iterator[Slot]:
    start = slot_of(since + SLOT - timedelta(microseconds=1))
    while start < until:
        paused = shop.pause is not None and shop.pause.holds(start)
        if not paused and open_window(shop.weekly, shop.timezone, start, shop.special) is not None:
            yield _slot(shop, taken.get(start) or SlotUse(start, 0, 0, 0))
        start += SLOT


def _slot(shop: ShopTerms, use: SlotUse) -> Slot:
    most = shop.capacity
    if most is None:
        return Slot(starts_at=use.starts_at, available=True)
    orders = None if most.orders is None else max(most.orders - use.orders, 0)
    items = None if most.items is None else max(most.items - use.items, 0)
    value = None if most.value is None else max(most.value - use.value, 0)
    return Slot(
        starts_at=use.starts_at,
        available=0 not in (orders, items, value),
        orders_left=orders,
        items_left=items,
        value_left=None if value is None else Fiat(currency=shop.currency, units=value),
    )
