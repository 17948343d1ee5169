"""The shop index against a computation by hand, page by page, and what it says when it was emptied."""

import math
import random
from collections.abc import AsyncIterator

import pytest

from emulators.component import free_port
from shared.adapters.redis.client import connect
from shared.adapters.redis.geo import RedisShopIndex
from shared.settings import RedisSettings
from shared.shops.ports import After, Found, Place

HERE = (13.404954, 52.520008)


@pytest.fixture
async def index(redis_url: str) -> AsyncIterator[RedisShopIndex]:
    settings = RedisSettings(redis_url)
    client = connect(settings)
    yield RedisShopIndex(client, settings)
    await client.aclose()


@pytest.fixture
def places() -> list[Place]:
    chance = random.Random(5)
    spread = [
        Place(f"shp_{n:03}", HERE[0] + chance.uniform(-0.1, 0.1), HERE[1] + chance.uniform(-0.1, 0.1))
        for n in range(1200)
    ]
    one_house = [Place(f"shp_mall_{n:02}", HERE[0] + 0.001, HERE[1]) for n in range(25)]
    return spread + one_house


def metres(place: Place) -> float:
    """Great-circle distance from HERE on Redis's sphere of 6,372,797.56 m."""
    lon, lat, lon2, lat2 = map(math.radians, (*HERE, place.longitude, place.latitude))
    h = math.sin((lat2 - lat) / 2) ** 2 + math.cos(lat) * math.cos(lat2) * math.sin((lon2 - lon) / 2) ** 2
    return 2 * 6_372_797.560856 * math.asin(math.sqrt(h))


async def test_the_nearest_come_first_and_pages_neither_repeat_nor_skip(
    index: RedisShopIndex, places: list[Place]
) -> None:
    assert await index.fill(places)
    seen: list[Found] = []
    after: After | None = None
    while True:
        page = await index.near(*HERE, radius_m=3000, limit=10, after=after)
        assert page is not None
        seen += page
        if len(page) < 10:
            break
        after = After(len(seen), page[-1].distance_m, page[-1].shop_id)
    expected = {place.shop_id for place in places if metres(place) <= 3000}
    assert len(expected) > 100
    assert len(seen) == len({one.shop_id for one in seen})
    assert {one.shop_id for one in seen} == expected
    assert [one.distance_m for one in seen] == sorted(one.distance_m for one in seen)


async def test_an_index_that_lost_its_shops_says_that_it_does_not_know(
    index: RedisShopIndex, places: list[Place]
) -> None:
    assert await index.near(*HERE, radius_m=3000, limit=10) is None
    await index.put(places[0])
    assert await index.near(*HERE, radius_m=50_000, limit=10) is None
    await index.fill(places)
    assert await index.near(*HERE, radius_m=50_000, limit=10) is not None


async def test_filling_does_not_move_back_what_an_event_moved(index: RedisShopIndex) -> None:
    await index.put(Place("shp_1", *HERE))
    await index.fill([Place("shp_1", HERE[0] + 1, HERE[1])])
    found = await index.near(*HERE, radius_m=100, limit=10)
    assert found is not None
    assert [one.shop_id for one in found] == ["shp_1"]


async def test_a_removed_shop_is_found_no_more_and_the_marker_never(index: RedisShopIndex) -> None:
    await index.fill([Place("shp_1", 0.001, 0.001)])
    found = await index.near(0.0, 0.0, radius_m=1000, limit=10)
    assert found is not None
    assert [one.shop_id for one in found] == ["shp_1"]
    assert await index.remove("shp_1")
    assert await index.near(0.0, 0.0, radius_m=1000, limit=10) == []


async def test_a_dead_redis_does_not_know(places: list[Place]) -> None:
    settings = RedisSettings(f"redis://127.0.0.1:{free_port()}/0")
    client = connect(settings)
    index = RedisShopIndex(client, settings)
    assert await index.near(*HERE, radius_m=3000, limit=10) is None
    assert not await index.fill(places)
    assert not await index.put(places[0])
    await client.aclose()
