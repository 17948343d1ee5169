"""When an order is made: pickup times, slots, estimates, tips. The rules of create_order, list_slots, get_estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.errors import Invalid
from shared.kernel.hours import Pause
from shared.kernel.ids import OrderId, ShopId
from shared.orders import lifecycle
from shared.orders.get_estimate import LONGEST, USUAL, Kitchen, estimate
from shared.orders.list_slots import ListSlots, Slots, list_slots
from shared.orders.model import Order, OrderView, PlaceOrder
from shared.orders.ports import Orders, ShopTerms
from shared.orders.slots import SLOT, SlotUse, slot_of
from shared.shops.facts import Capacity
from tests.integration.ordering import FixedClock
from tests.unit.test_orders_lifecycle import CUSTOMER, MENU, NOON, SHOP, latte

BUSY = replace(SHOP, capacity=Capacity(orders=2, items=5))


def wanted(shop: ShopTerms = SHOP, *, now: datetime = NOON, **more: object) -> Order:
    command = PlaceOrder.model_validate({"shop_id": SHOP.shop_id, "lines": (latte(2),), **more})
    fact = lifecycle.place(OrderId.new(), command, customer=CUSTOMER, shop=shop, menu=MENU, now=now)
    return lifecycle.evolve(None, fact)


@given(st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.timezones()))  # noqa: DTZ001  # zones come with it
def test_every_moment_lies_in_one_slot_whatever_the_zone(moment: datetime) -> None:
    start = slot_of(moment)
    assert start <= moment < start + SLOT
    assert (start.minute % 15, start.second, start.microsecond) == (0, 0, 0)
    assert slot_of(start) == start


def test_an_order_for_later_is_for_a_time_at_which_the_shop_is_open() -> None:
    tomorrow = NOON.replace(day=13, hour=8)  # a Wednesday at 10:00 in Berlin
    order = wanted(pickup_at=tomorrow.astimezone(timezone(timedelta(hours=2))))
    assert order.pickup_at == tomorrow
    assert order.pickup_at.utcoffset() == timedelta(0)
    assert order.slot is None
    assert wanted(pickup_at=tomorrow, now=NOON.replace(hour=20)).pickup_at == tomorrow  # ordered while it is closed
    for closed in (NOON.replace(hour=17), NOON + timedelta(days=1)):
        with pytest.raises(lifecycle.ShopClosed):
            wanted(pickup_at=closed)
    paused = replace(SHOP, pause=Pause(since=NOON, until=NOON + timedelta(hours=1)))
    with pytest.raises(lifecycle.ShopClosed):
        wanted(paused, pickup_at=NOON + timedelta(minutes=30))
    assert wanted(paused, pickup_at=NOON + timedelta(hours=1)).pickup_at


@pytest.mark.parametrize(
    "at", [NOON - timedelta(days=7), NOON, NOON + timedelta(minutes=9), NOON + timedelta(days=14, seconds=1)]
)
def test_a_time_too_soon_or_too_far_off_is_refused(at: datetime) -> None:
    with pytest.raises(Invalid, match="pickup_at"):
        wanted(pickup_at=at)


def test_where_a_shop_has_a_capacity_an_order_counts_in_the_slot_in_which_it_is_made() -> None:
    assert wanted(BUSY, now=NOON + timedelta(minutes=16)).slot == NOON + timedelta(minutes=15)
    assert wanted(BUSY, pickup_at=NOON + timedelta(minutes=50)).slot == NOON + timedelta(minutes=45)


def test_a_tip_is_part_of_the_total_and_alone_no_order() -> None:
    order = wanted(tip=150)
    assert (order.total, order.tip) == (950, 150)
    view = OrderView.of(order, 1)
    assert view.tip is not None
    assert view.tip.units == 150
    assert OrderView.of(wanted(), 1).tip is None
    free = {item_id: item.model_copy(update={"price": 0}) for item_id, item in MENU.items.items()}
    command = PlaceOrder(shop_id=SHOP.shop_id, lines=(latte(),), tip=100)
    with pytest.raises(Invalid, match="free items"):
        lifecycle.place(OrderId.new(), command, customer=CUSTOMER, shop=SHOP, menu=replace(MENU, items=free), now=NOON)


def made(*minutes: tuple[int, int]) -> list[tuple[datetime, datetime]]:
    return [(NOON + timedelta(minutes=begun), NOON + timedelta(minutes=ready)) for begun, ready in minutes]


@pytest.mark.parametrize(
    ("kitchen", "minutes"),
    [
        (Kitchen([], 0), USUAL.seconds // 60),
        (Kitchen([], 4), 10),
        (Kitchen(made((0, 9), (1, 10)), 0), USUAL.seconds // 60),  # two orders say nothing
        (Kitchen(made((0, 3), (2, 5), (4, 7), (6, 9), (8, 11)), 0), 3),
        (Kitchen(made((0, 3), (2, 5), (4, 7), (6, 9), (8, 11)), 5), 12),
        (Kitchen(made((0, 3), (60, 63), (120, 123), (180, 183), (240, 243)), 1), 6),  # a quiet day is no slow one
        (Kitchen(made((0, 3), (2, 5), (4, 7), (6, 9), (8, 11)), 1_000), int(LONGEST.total_seconds()) // 60),
    ],
)
def test_an_estimate_follows_what_the_kitchen_did_and_what_waits(kitchen: Kitchen, minutes: int) -> None:
    told = estimate(kitchen, now=NOON)
    assert (told.minutes, told.orders_ahead) == (minutes, kitchen.waiting)
    assert told.ready_at == NOON + timedelta(minutes=minutes)
    assert told.by_experience is (len(kitchen.made) >= 5)


class Counters:
    """What is taken, as a test has it."""

    def __init__(self, *uses: SlotUse) -> None:
        self.uses = uses

    async def between(self, shop_id: ShopId, since: datetime, until: datetime) -> Sequence[SlotUse]:
        return [use for use in self.uses if since <= use.starts_at < until]


class Terms:
    """One shop."""

    def __init__(self, shop: ShopTerms) -> None:
        self.shop = shop

    async def terms(self, shop_id: ShopId) -> ShopTerms:
        return self.shop


async def slots(shop: ShopTerms, *uses: SlotUse, day: str | None = None, now: datetime = NOON) -> Slots:
    asked = ListSlots.model_validate({"shop_id": shop.shop_id, "day": day})
    using = Orders.__new__(Orders)
    object.__setattr__(using, "clock", FixedClock(now))
    object.__setattr__(using, "shops", Terms(shop))
    return (await list_slots(asked, using=using, counters=Counters(*uses))).view


async def test_slots_are_those_of_the_shops_day_in_which_it_is_open_from_a_few_minutes_on() -> None:
    told = await slots(SHOP)
    starts = [slot.starts_at for slot in told.slots]
    assert (starts[0], starts[-1]) == (NOON + SLOT, NOON.replace(hour=15, minute=45))
    assert starts == [NOON + SLOT * n for n in range(1, 16)]
    assert all(slot.available and slot.orders_left is None for slot in told.slots)
    assert (await slots(SHOP, day="2026-05-07")).slots == ()
    whole = await slots(SHOP, day="2026-05-13")
    assert len(whole.slots) == 40
    assert whole.slots[0].starts_at == datetime(2026, 5, 13, 6, tzinfo=UTC)


async def test_a_slot_tells_what_is_left_of_it() -> None:
    used = (SlotUse(NOON + SLOT, 1, 2, 800), SlotUse(NOON + 2 * SLOT, 1, 5, 800), SlotUse(NOON + 3 * SLOT, 3, 3, 800))
    first, second, third, fourth = (await slots(BUSY, *used)).slots[:4]
    assert (first.available, first.orders_left, first.items_left) == (True, 1, 3)
    assert (second.available, second.items_left) == (False, 0)
    assert (third.available, third.orders_left) == (False, 0)
    assert (fourth.available, fourth.orders_left) == (True, 2)
    (valued, *_) = (await slots(replace(SHOP, capacity=Capacity(value=1_000)), used[0])).slots
    assert valued.value_left is not None
    assert valued.value_left.units == 200


@pytest.mark.parametrize("day", ["2026-05-05", "2026-05-21"])
async def test_days_that_are_over_or_too_far_off_are_refused(day: str) -> None:
    with pytest.raises(Invalid, match="14 days"):
        await slots(SHOP, day=day)
