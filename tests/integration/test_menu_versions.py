"""Orders by a version of the menu, on a real Postgres: the present one prices, a stale one is refused with why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from shared.adapters.postgres.order_terms import PostgresMenus
from shared.catalog.archive_menu_item import archive_menu_item
from shared.catalog.get_menu import LIVE
from shared.catalog.lifecycle import UnknownItem
from shared.catalog.model import SetDayparts
from shared.catalog.set_dayparts import set_dayparts
from shared.kernel.errors import Forbidden, NotFound, VersionConflict
from shared.kernel.ids import ItemId
from shared.orders.model import OrderView
from shared.orders.pricing import MenuChanged, NotOnMenu, NotSoldNow
from shared.supply.item_model import SetSkuAvailability
from shared.supply.model import ReceiveStock
from shared.supply.receive_stock import receive_stock
from shared.supply.set_sku_availability import set_sku_availability
from tests.integration.selling import Counter
from tests.integration.shopkeeping import Merchant, Shopkeeping, keyed


@pytest.fixture
async def counter(database: str, redis_url: str) -> AsyncIterator[Counter]:
    at = Shopkeeping(database, redis_url)
    counter = Counter(at)
    await counter.opened()
    yield counter
    await at.closed()


async def test_an_order_by_the_present_version_is_priced_from_it(counter: Counter) -> None:
    for version in (2, None):
        order = await counter.order(counter.coffee, version)
        assert (order.total.units, order.menu_version) == (420, 2)


async def test_an_order_by_a_stale_version_is_refused_with_the_difference_and_stores_nothing(counter: Counter) -> None:
    assert await counter.put(counter.coffee, "450") == 3
    with pytest.raises(MenuChanged) as refused:
        await counter.order(counter.coffee, 2)
    change = {"item_id": counter.coffee, "change": "price", "before": "420", "now": "450"}
    assert refused.value.fields == {"menu_version": 3, "changes": [change]}
    with pytest.raises(MenuChanged) as refused:
        await counter.order(counter.cake, 2)
    assert refused.value.fields == {"menu_version": 3, "changes": []}
    assert (await counter.order(counter.coffee, 3)).total.units == 450
    page, _ = await counter.store.of_shop(counter.shop_id, counter.anna.merchant_id, before=None, limit=10)
    assert len(page) == 1


async def test_a_process_that_kept_an_older_menu_looks_again_for_whoever_saw_the_newer(counter: Counter) -> None:
    using = counter.orders()
    assert (await counter.order(counter.coffee, 2, using)).total.units == 420
    await counter.put(counter.coffee, "450")
    order = await counter.order(counter.coffee, 3, using)
    assert (order.total.units, order.menu_version) == (450, 3)
    for never in (99, 10**30):
        with pytest.raises(MenuChanged) as refused:
            await counter.order(counter.coffee, never, using)
        assert refused.value.fields == {"menu_version": 3, "changes": []}


async def test_prices_that_change_while_many_order_are_those_of_the_version_that_each_order_names(
    counter: Counter,
) -> None:
    prices = {2: 420}

    async def change() -> None:
        for cents in (430, 440, 450):
            prices[await counter.put(counter.coffee, str(cents))] = cents

    async def order(number: int) -> OrderView | None:
        try:
            return await counter.order(counter.coffee, 2 + number % 4)
        except MenuChanged:
            return None

    outcomes = await asyncio.gather(change(), *(order(number) for number in range(24)))
    placed = [order for order in outcomes if order is not None]
    assert all(order.total.units == prices[order.menu_version] for order in placed)
    assert counter.at.replayed().differences == []


async def test_what_a_barista_marks_as_sold_out_is_not_sold_until_it_is_there_again(counter: Counter) -> None:
    until = counter.at.clock.now() + timedelta(hours=1)
    assert await counter.sold_out(counter.coffee, until=until.isoformat()) == 3
    assert await counter.sold_out(counter.coffee, until=until.isoformat()) == 3
    view = await counter.shown()
    assert [(item.on_sale, item.sold_out_until) for item in view.items] == [(False, until), (True, None)]
    with pytest.raises(NotSoldNow):
        await counter.order(counter.coffee)
    with pytest.raises(MenuChanged) as refused:
        await counter.order(counter.coffee, 2)
    assert refused.value.fields["changes"] == [{"item_id": counter.coffee, "change": "unavailable"}]
    counter.at.clock.at = until
    assert (await counter.order(counter.coffee, 3)).total.units == 420
    assert (await counter.shown()).items[0].on_sale
    assert counter.at.replayed().differences == []


async def test_only_staff_says_what_is_sold_out_and_only_of_what_there_is(counter: Counter) -> None:
    with pytest.raises(NotFound):
        await counter.sold_out(counter.coffee, Merchant().owner)
    with pytest.raises(NotFound):
        await counter.sold_out(ItemId.new())
    with pytest.raises(Forbidden):
        await archive_menu_item(
            counter.path(counter.cake), if_match=None, by=keyed(counter.anna.barista), using=counter.at.catalog
        )


async def test_an_archived_item_is_gone_for_new_orders_and_stays_in_its_versions(counter: Counter) -> None:
    archived = archive_menu_item(
        counter.path(counter.cake), if_match=2, by=keyed(counter.anna.owner), using=counter.at.catalog
    )
    assert ((await archived).view.version, (await counter.shown()).version) == (3, 3)
    with pytest.raises(NotOnMenu):
        await counter.order(counter.cake)
    with pytest.raises(MenuChanged) as refused:
        await counter.order(counter.cake, 2)
    assert refused.value.fields["changes"] == [{"item_id": counter.cake, "change": "gone"}]
    before = await PostgresMenus(counter.at.db).version(counter.shop_id, 2)
    assert before is not None
    assert before.items[counter.cake].price == 350
    with pytest.raises(VersionConflict):
        await archive_menu_item(
            counter.path(counter.coffee), if_match=2, by=keyed(counter.anna.owner), using=counter.at.catalog
        )
    assert counter.at.replayed().differences == []


async def test_dayparts_hold_in_the_shops_own_time_and_what_is_shown_follows_them(counter: Counter) -> None:
    clock, owner = counter.at.clock, counter.anna.owner
    morning = {"name": "Breakfast", "weekly": [{"weekday": clock.now().weekday(), "opens": "07:00", "closes": "14:01"}]}
    wanted = SetDayparts.model_validate({"dayparts": [{**morning, "categories": ["Food"]}]})
    await set_dayparts(counter.shop_id, wanted, if_match=None, by=keyed(owner), using=counter.at.catalog)
    assert [item.on_sale for item in (await counter.shown()).items] == [True, True]
    assert (await counter.order(counter.cake)).total.units == 350
    clock.at += timedelta(seconds=60)  # 14:01 in Berlin
    assert [item.on_sale for item in (await counter.shown()).items] == [True, False]
    with pytest.raises(NotSoldNow):
        await counter.order(counter.cake)
    assert (await counter.order(counter.coffee)).total.units == 420
    unknown = SetDayparts.model_validate({"dayparts": [{**morning, "items": [ItemId.new()]}]})
    with pytest.raises(UnknownItem):
        await set_dayparts(counter.shop_id, unknown, if_match=None, by=keyed(owner), using=counter.at.catalog)
    assert counter.at.replayed().differences == []


async def test_what_is_counted_is_on_sale_while_some_of_it_is_free_and_nobody_marked_it(counter: Counter) -> None:
    at, owner, slow = counter.at, counter.anna.owner, LIVE + timedelta(milliseconds=1)
    await counter.put(counter.coffee, "420", sku="shot")

    async def on_sale() -> tuple[bool, datetime | None]:
        at.clock.at += slow
        (coffee, cake) = (await counter.shown()).items
        assert cake.on_sale
        return coffee.on_sale, coffee.sold_out_until

    assert await on_sale() == (False, None)
    delivery = ReceiveStock.model_validate({"lines": [{"sku": "shot", "quantity": 1}]})
    await receive_stock(counter.shop_id, delivery, by=keyed(owner), using=at.supply)
    assert await on_sale() == (True, None)
    until = at.clock.now() + timedelta(hours=1)
    for marked, back_at in ((until, until), (None, None)):
        mark = SetSkuAvailability(sku="shot", sold_out=True, until=marked)
        await set_sku_availability(counter.shop_id, mark, by=keyed(owner), using=at.supply)
        assert await on_sale() == (False, back_at)
    again = SetSkuAvailability(sku="shot", sold_out=False)
    await set_sku_availability(counter.shop_id, again, by=keyed(owner), using=at.supply)
    await counter.sold_out(counter.coffee, until=until.isoformat())
    assert await on_sale() == (False, until)
    at.clock.at = until
    assert await on_sale() == (True, None)
    await counter.order(counter.coffee)
    assert await on_sale() == (False, None)
