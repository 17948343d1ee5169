"""Menus on a real Postgres and a real Valkey: every version kept, shown as bytes with the rates of the moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from emulators.component import free_port
from shared.adapters.postgres.database import Sql
from shared.catalog.get_menu import LIVE, get_menu
from shared.catalog.import_menu import import_menu
from shared.catalog.invalidate_menu import invalidate_menu
from shared.catalog.lifecycle import UnknownGroup
from shared.catalog.model import (
    GroupPath,
    ImportMenu,
    ItemPath,
    MenuChange,
    MenuView,
    PutMenuItem,
    PutModifier,
    PutModifierGroup,
)
from shared.catalog.put_menu_item import put_menu_item
from shared.catalog.put_modifier_group import put_modifier_group
from shared.catalog.showing import FRESH_RATE
from shared.kernel.decision import By
from shared.kernel.errors import Forbidden, NotFound, VersionConflict
from shared.kernel.ids import ItemId, MenuId, ModifierGroupId, ModifierId, ShopId
from shared.kernel.money import Asset
from shared.kernel.reply import Reply
from shared.shops.model import SetSpreads
from shared.shops.set_spreads import set_spreads
from tests.integration.shopkeeping import Merchant, Shopkeeping, a_shop, keyed, woken

VERSIONS = Sql("select version, document ->> 'items' from menu_versions order by version")
SET_RATE = Sql(
    "insert into price_latest (asset, currency, rate, feeds, at, published, published_at, version)"
    " values (:asset, 'EUR', :rate::numeric, '[]', :at, :rate::numeric, :at, 1)"
    " on conflict (asset, currency) do update set rate = excluded.rate, at = excluded.at"
)
MILK = PutModifierGroup(
    name="Milk", min=0, max=1, modifiers=(PutModifier(modifier_id=ModifierId.new(), name="Oat", price_delta=50),)
)


@pytest.fixture
async def at(database: str, redis_url: str) -> AsyncIterator[Shopkeeping]:
    keeping = Shopkeeping(database, redis_url)
    yield keeping
    await keeping.closed()


def coffee(**changes: object) -> PutMenuItem:
    return PutMenuItem.model_validate({"name": "Flat white", "category": "Coffee", "price": "420", **changes})


async def put(
    at: Shopkeeping,
    by: By,
    shop_id: ShopId,
    item_id: ItemId | None = None,
    if_match: int | None = None,
    **changes: object,
) -> Reply[MenuChange]:
    path = ItemPath(shop_id=shop_id, item_id=item_id or ItemId.new())
    return await put_menu_item(path, coffee(**changes), if_match=if_match, by=keyed(by), using=at.catalog)


async def shown(at: Shopkeeping, shop_id: ShopId) -> tuple[str, MenuView]:
    reply = await get_menu(shop_id, using=at.catalog)
    return reply.headers["etag"], MenuView.model_validate_json(reply.body)


def in_coins(menu: MenuView) -> dict[Asset, int]:
    """The prices of the first item, by coin."""
    return {price.asset: price.units for price in menu.items[0].prices}


async def rated(at: Shopkeeping, asset: Asset, rate: str, when: datetime | None = None) -> None:
    await at.db.run(SET_RATE, asset=asset, rate=rate, at=when or at.clock.now())


async def test_every_change_is_a_version_and_every_version_stays(at: Shopkeeping) -> None:
    anna = Merchant()
    shop_id = await at.opened(anna)
    item_id, group_id = ItemId.new(), ModifierGroupId.new()
    group = GroupPath(shop_id=shop_id, group_id=group_id)
    said = await put_modifier_group(group, MILK, if_match=None, by=keyed(anna.owner), using=at.catalog)
    assert (said.headers["etag"], said.view.groups, said.view.items) == ('"1"', 1, 0)
    await put(at, anna.owner, shop_id, item_id, modifier_groups=[group_id])
    said = await put(at, anna.owner, shop_id, item_id, if_match=2, price="450", modifier_groups=[group_id])
    assert (said.view.version, said.view.items) == (3, 1)
    with pytest.raises(VersionConflict):
        await put(at, anna.owner, shop_id, item_id, if_match=2)
    rows = await at.db.run(VERSIONS)
    assert [row[0] for row in rows] == [1, 2, 3]
    assert ['"420"' in row[1] for row in rows] == [False, True, False]
    assert ['"450"' in row[1] for row in rows] == [False, False, True]
    assert at.replayed().differences == []


async def test_a_menu_is_its_merchants_alone(at: Shopkeeping) -> None:
    anna, bela = Merchant(), Merchant()
    shop_id = await at.opened(anna)
    with pytest.raises(NotFound):
        await put(at, bela.owner, shop_id)
    with pytest.raises(Forbidden):
        await put(at, anna.barista, shop_id)
    with pytest.raises(NotFound):
        await put(at, anna.owner, ShopId.new())
    with pytest.raises(UnknownGroup):
        await put(at, anna.owner, shop_id, modifier_groups=[ModifierGroupId.new()])
    with pytest.raises(NotFound):
        await get_menu(shop_id, using=at.catalog)


async def test_items_put_at_once_are_all_on_the_menu_or_refused_for_having_raced(at: Shopkeeping) -> None:
    anna = Merchant()
    shop_id = await at.opened(anna)

    async def send() -> bool:
        try:
            await put(at, anna.owner, shop_id)
        except VersionConflict:
            return False
        return True

    went = sum(await asyncio.gather(*(send() for _ in range(12))))
    stored = await at.catalog.store.load(MenuId.like(shop_id))
    assert stored is not None
    assert (len(stored.state.items), stored.version) == (went, went)
    assert len(await at.db.run(VERSIONS)) == went >= 3
    assert at.replayed().differences == []


async def test_an_imported_menu_is_one_fact_and_can_be_ordered_from(at: Shopkeeping) -> None:
    anna = Merchant()
    shop_id = await at.opened(anna)
    await put(at, anna.owner, shop_id)
    group_id = ModifierGroupId.new()
    items = {ItemId.new(): coffee(name=f"Coffee {n}", modifier_groups=[group_id]) for n in range(40)}
    said = await import_menu(
        shop_id, ImportMenu(items=items, groups={group_id: MILK}), if_match=1, by=keyed(anna.owner), using=at.catalog
    )
    assert (said.view.version, said.view.items, said.view.groups) == (2, 40, 1)
    assert [item.item_id for item in (await shown(at, shop_id))[1].items] == list(items)
    assert at.replayed().differences == []


async def test_prices_in_coins_follow_the_rates_within_seconds(at: Shopkeeping) -> None:
    anna = Merchant()
    shop_id = await at.opened(anna, a_shop(accepts=["BTC", "ETH", "USDC"]))
    await put(at, anna.owner, shop_id)
    _, menu = await shown(at, shop_id)
    assert (menu.rates, menu.items[0].prices) == ({}, ())
    at.clock.at += LIVE
    await rated(at, Asset.BTC, "60000")
    await rated(at, Asset.ETH, "2000", at.clock.now() - FRESH_RATE)
    await rated(at, Asset.USDT, "0.9")
    tag, menu = await shown(at, shop_id)
    assert in_coins(menu) == {Asset.BTC: 7000}
    await rated(at, Asset.BTC, "30000")
    assert (await shown(at, shop_id))[0] == tag
    at.clock.at += LIVE + timedelta(milliseconds=1)
    await rated(at, Asset.ETH, "2000")
    other, menu = await shown(at, shop_id)
    assert in_coins(menu) == {Asset.BTC: 14000, Asset.ETH: 2_100_000_000_000_000}
    assert other != tag
    assert other.startswith('"1-')


async def test_a_shops_spread_is_in_the_prices_of_its_menu(at: Shopkeeping) -> None:
    anna = Merchant()
    shop_id = await at.opened(anna, a_shop(accepts=["BTC", "ETH", "USDC"]))
    spreads = SetSpreads(spread_bp={Asset.BTC: 500})
    await set_spreads(shop_id, spreads, if_match=None, by=keyed(anna.owner), using=at.shops)
    await put(at, anna.owner, shop_id)
    await rated(at, Asset.BTC, "60000")
    _, menu = await shown(at, shop_id)
    assert menu.rates[Asset.BTC].rate == "57000"
    assert in_coins(menu) == {Asset.BTC: 7369}  # 4.20 / 57000 = 0.0000736842…


async def test_the_same_menu_at_the_same_rates_has_the_same_tag_everywhere(at: Shopkeeping) -> None:
    anna = Merchant()
    shop_id = await at.opened(anna)
    await put(at, anna.owner, shop_id)
    first = await get_menu(shop_id, using=at.catalog)
    await at.redis.flushdb()
    again = await get_menu(shop_id, using=at.catalog)
    assert (first.body, first.headers["etag"]) == (again.body, again.headers["etag"])


async def test_a_change_is_shown_once_its_fact_arrived_and_late_facts_bring_nothing_back(at: Shopkeeping) -> None:
    anna = Merchant()
    shop_id = await at.opened(anna)
    await put(at, anna.owner, shop_id)
    assert (await shown(at, shop_id))[1].version == 1
    await put(at, anna.owner, shop_id)
    assert (await shown(at, shop_id))[1].version == 1
    by = woken("invalidate_menu")
    for version in (2, 1, 2):
        await invalidate_menu(shop_id, version, by=by, using=at.catalog)
        assert (await shown(at, shop_id))[1].version == 2
    assert [list(row) for row in await at.db.run(Sql("select count(*) from inbox"))] == [[1]]


async def test_a_menu_is_shown_while_the_cache_is_down(database: str) -> None:
    keeping = Shopkeeping(database, f"redis://127.0.0.1:{free_port()}/0")
    anna = Merchant()
    shop_id = await keeping.opened(anna)
    await put(keeping, anna.owner, shop_id)
    assert (await shown(keeping, shop_id))[1].version == 1
    await put(keeping, anna.owner, shop_id)
    assert (await shown(keeping, shop_id))[1].version == 2
    await keeping.closed()
