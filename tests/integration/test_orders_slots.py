"""A shop's capacity on a real Postgres: taken in the commit of the order, given back with it, never passed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.postgres.database import Sql
from shared.adapters.postgres.kitchens import PostgresKitchens
from shared.adapters.postgres.order_slots import PostgresOrderSlots
from shared.kernel.facts import GENESIS
from shared.kernel.ids import ShopId
from shared.orders.cancel_order import cancel_order
from shared.orders.create_order import create_order
from shared.orders.get_estimate import get_estimate
from shared.orders.list_slots import ListSlots, list_slots
from shared.orders.model import CancelOrder, OrderView, ShopPath
from shared.orders.ports import ShopTerms
from shared.orders.slots import SlotFull, slot_of
from shared.shops.facts import Capacity
from tests.integration.ordering import NOON, OneShop, Ordering, again, customer
from tests.integration.shops_rows import SHOP, not_as_their_events_say

CAPACITY = Sql("update shops set capacity = :capacity::jsonb where shop_id = :shop_id")
SHOP_ID = Sql("update shops set shop_id = :shop_id where shop_id = :was")
TAKEN = Sql("select orders, items, value from order_slots where shop_id = :shop_id order by slot")
LOSE = Sql("delete from order_slots")


class BusyShop(OneShop):
    """The same, with a capacity."""

    capacity: Capacity | None = None

    async def terms(self, shop_id: ShopId) -> ShopTerms:
        shop = await super().terms(shop_id)
        return replace(shop, capacity=self.capacity)


class Counting(Ordering):
    """Orders of a shop that makes only so much in a quarter of an hour."""

    async def opened(self, capacity: Capacity, portions: int = 1_000) -> Counting:
        busy = BusyShop()
        busy.shop_id, busy.merchant_id, busy.item = self.shop.shop_id, self.shop.merchant_id, self.shop.item
        busy.capacity = capacity
        for field in ("shops", "menus"):
            object.__setattr__(self.orders, field, busy)
        await self.db.run(SHOP, shop_id=busy.shop_id, merchant_id=busy.merchant_id, name="Busy", head=GENESIS)
        await self.db.run(CAPACITY, shop_id=busy.shop_id, capacity=capacity.model_dump_json())
        await self.stocked(portions)
        return self

    async def order(self, key: str, quantity: int = 1, **more: object) -> OrderView:
        command = self.wanted(quantity).model_copy(update=more)
        return (await create_order(command, by=customer(key), using=self.orders)).view

    async def taken(self) -> list[tuple[int, int, int]]:
        rows = await self.db.run(TAKEN, shop_id=self.shop.shop_id)
        return [(orders, items, value) for orders, items, value in rows]


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Counting]:
    counting = Counting(database)
    yield counting
    differences = not_as_their_events_say(database, "ord_", "shp_")
    assert [each for each in differences if "counts other orders" in each or each.startswith("ord_")] == []
    counting.db.close()


@pytest.mark.parametrize(
    ("capacity", "fit"),
    [
        (Capacity(orders=7), 7),
        (Capacity(items=14), 7),
        (Capacity(value=840 * 7 + 1), 7),
        (Capacity(orders=9, items=8), 4),
    ],
)
async def test_of_many_at_once_as_many_are_taken_as_can_be_made(shop: Counting, capacity: Capacity, fit: int) -> None:
    await shop.opened(capacity)
    outcomes = await asyncio.gather(*(shop.order(f"k{n}", 2) for n in range(60)), return_exceptions=True)
    assert Counter(type(outcome) for outcome in outcomes) == {OrderView: fit, SlotFull: 60 - fit}
    assert await shop.taken() == [(fit, 2 * fit, 840 * fit)]
    assert (await shop.counters())[1] == 2 * fit


async def test_an_order_that_is_called_off_gives_its_time_back_once(shop: Counting) -> None:
    await shop.opened(Capacity(orders=1))
    by = customer("first")
    placed = (await create_order(shop.wanted(3), by=by, using=shop.orders)).view
    with pytest.raises(SlotFull) as refused:
        await shop.order("second")
    assert refused.value.fields == {"slot": "2026-05-06T12:00:00Z"}
    assert placed.order_id
    await cancel_order(placed.order_id, CancelOrder(), if_match=None, by=again(by, "cancel"), using=shop.orders)
    assert await shop.taken() == [(0, 0, 0)]
    await shop.order("third")
    assert await shop.taken() == [(1, 1, 420)]


async def test_each_slot_has_room_of_its_own_and_a_list_tells_how_much(shop: Counting) -> None:
    await shop.opened(Capacity(orders=1))
    later = NOON + timedelta(minutes=40)
    await shop.order("now")
    await shop.order("later", pickup_at=later)
    with pytest.raises(SlotFull):
        await shop.order("too", pickup_at=later + timedelta(minutes=4))
    counters = PostgresOrderSlots(shop.db)
    asked = ListSlots(shop_id=shop.shop.shop_id)
    told = (await list_slots(asked, using=shop.orders, counters=counters)).view
    assert [slot.starts_at for slot in told.slots if not slot.available] == [slot_of(later)]


async def test_a_slot_whose_counters_got_lost_is_made_again_and_its_orders_can_be_called_off(shop: Counting) -> None:
    await shop.opened(Capacity(orders=5))
    soon = NOON + timedelta(minutes=20)
    first = await shop.order("a", pickup_at=soon)
    await shop.db.run(LOSE)
    with pytest.raises(SlotFull):
        await shop.order("b", pickup_at=soon)
    second = await shop.order("c", pickup_at=soon)
    assert await shop.taken() == [(1, 1, 420)]
    for order in (first, second):
        by = replace(customer(f"cancel-{order.order_id}"), actor=order.customer_id)
        await cancel_order(order.order_id, CancelOrder(), if_match=None, by=by, using=shop.orders)
    assert await shop.taken() == [(0, 0, 0)]


async def test_an_estimate_is_there_for_a_shop_that_has_made_nothing_yet(shop: Counting) -> None:
    await shop.opened(Capacity(orders=5))
    await shop.order("unpaid")
    asked = ShopPath(shop_id=shop.shop.shop_id)
    told = (await get_estimate(asked, using=shop.orders, kitchens=PostgresKitchens(shop.db))).view
    assert (told.minutes, told.orders_ahead, told.by_experience) == (5, 0, False)
