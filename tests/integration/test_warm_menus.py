"""warm_menus: the menus of busy shops lie in the cache before somebody asks for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.adapters.postgres.catalog import PostgresPopular
from shared.adapters.redis.documents import CachedDocuments
from shared.catalog.get_menu import LIVE
from shared.catalog.ports import Warming
from shared.catalog.warm_menus import warm_menus
from shared.kernel.ids import ShopId
from tests.integration.selling import Counter
from tests.integration.shopkeeping import Shopkeeping


@pytest.fixture
async def counters(database: str, redis_url: str) -> AsyncIterator[list[Counter]]:
    at = Shopkeeping(database, redis_url)
    at.clock.at = datetime.now(UTC)  # ids of orders are of this time
    counters = [Counter(at) for _ in range(3)]
    for counter in counters:
        await counter.opened()
    yield counters
    await at.closed()


async def test_the_busiest_shops_are_warmed_and_the_quiet_ones_left_alone(counters: list[Counter]) -> None:
    busy, calm, quiet = counters
    at = busy.at
    documents = at.catalog.documents
    assert isinstance(documents, CachedDocuments)
    warming = Warming(documents, PostgresPopular(at.db), at.clock)
    assert await warm_menus(using=warming) == 0
    for counter, orders in ((calm, 1), (busy, 3)):
        for _ in range(orders):
            await counter.order(counter.coffee)
    since = at.clock.now() - timedelta(minutes=30)
    popular = PostgresPopular(at.db)
    assert list(await popular.shops(since=since, limit=10)) == [busy.shop_id, calm.shop_id]
    assert list(await popular.shops(since=since, limit=1)) == [busy.shop_id]
    assert list(await popular.shops(since=at.clock.now() + timedelta(minutes=1), limit=10)) == []
    assert await warm_menus(using=warming) == 2
    held = {counter.shop_id: await at.cache.get(f"menu:{counter.shop_id}") for counter in counters}
    assert [held[counter.shop_id] is not None for counter in (busy, calm, quiet)] == [True, True, False]
    at.clock.at += LIVE / 2
    assert await warm_menus(using=warming) == 2
    assert (await busy.shown()).version == 2


class NoMenus:
    """A place where people ordered once, and nothing is sold any more."""

    async def shops(self, *, since: datetime, limit: int) -> list[ShopId]:
        return [ShopId.new()]


async def test_a_shop_without_a_menu_holds_up_nobody(counters: list[Counter]) -> None:
    at = counters[0].at
    documents = at.catalog.documents
    assert isinstance(documents, CachedDocuments)
    assert await warm_menus(using=Warming(documents, NoMenus(), at.clock)) == 0
