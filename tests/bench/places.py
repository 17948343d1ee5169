"""The nearest 20 open shops of 100,000, found through Postgres and through Redis, against reading one shop by its key.

The whole of `find_nearby_shops` but for HTTP, one search after the other: the index, what a list shows of each shop,
whether it is open. The floor is one read by the same pool of connections.
"""

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from emulators.postgres import create_database
from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.inbox import PostgresInbox
from shared.adapters.postgres.migrate import migrate
from shared.adapters.postgres.shops import PostgresCards, PostgresPlaces, PostgresShops
from shared.adapters.redis.cache import RedisCache
from shared.adapters.redis.client import connect
from shared.adapters.redis.documents import CachedDocuments
from shared.adapters.redis.geo import RedisShopIndex
from shared.kernel.clock import SystemClock
from shared.settings import PostgresSettings, RedisSettings
from shared.shops.find_nearby_shops import find_nearby_shops
from shared.shops.get_shop import shop_document
from shared.shops.model import FindShops
from shared.shops.ports import After, Found, Place, Shops
from tests.bench.furnish import PATIENT_S, furnish_shops, shop_id
from tests.bench.ground import REGION, Ground
from tests.bench.row import VALUE, BenchFailed, Probe, Readings, Row

SHOPS: Final = 100_000
NEAREST: Final = 20
_AREA: Final = (52.35, 52.65, 13.2, 13.6)
"""Degrees, well within where the shops are: south, north, west, east."""
_BY_KEY: Final = Sql("select name, address, latitude, longitude, weekly::text from shops where shop_id = :shop_id")

Search = Callable[..., Awaitable[Sequence[Found] | None]]


class _Places:
    """One of the two indexes alone, as the operation's port."""

    def __init__(self, search: Search) -> None:
        self._search = search

    async def near(
        self, longitude: float, latitude: float, *, radius_m: float, limit: int, after: After | None = None
    ) -> Sequence[Found]:
        """Return what the index finds. Raises BenchFailed where it does not know."""
        found = await self._search(longitude, latitude, radius_m=radius_m, limit=limit, after=after)
        if found is None:
            raise BenchFailed("the index in Redis is gone")
        return found

    async def put(self, place: Place) -> bool:
        """Nothing is put: these shops stay where they are."""
        raise BenchFailed(f"nobody moves {place.shop_id}")


def rows(ground: Ground) -> Sequence[Row]:
    """Return the rows."""
    count = SHOPS if ground.full else SHOPS // 10
    url = create_database(ground.engine("postgres").env["DATABASE_URL"], "places")
    settings = PostgresSettings(url, statement_timeout_s=PATIENT_S)
    migrate(settings)
    ground.run(furnish_shops(settings, count))
    database = Database(settings)
    ground.at_end(database.close)
    redis = RedisSettings.from_env(ground.engine("valkey").env)
    client = connect(redis)
    ground.at_end(lambda: ground.run(client.aclose()))
    cards = PostgresCards(database)
    table, index = PostgresPlaces(database, cards), RedisShopIndex(client, redis)
    if not ground.run(_filled(index, table)):
        raise BenchFailed("the index in Redis could not be filled")

    async def by_key() -> int:
        return len(await database.run(_BY_KEY, shop_id=shop_id(random.randint(1, count))))

    def nearest(search: Search) -> Callable[[], Awaitable[int]]:
        using = _shops(database, cards, RedisCache(client, redis), search)

        async def find() -> int:
            south, north, west, east = _AREA
            at = {"lat": random.uniform(south, north), "lon": random.uniform(west, east)}
            page = await find_nearby_shops(FindShops(**at, open_now=True, limit=NEAREST), using=using)
            return page.body.count(b'"distance_m"')

        return find

    def probe(name: str, work: Callable[[], Awaitable[int]], found: int) -> Probe:
        return Probe(name, "reads/s", lambda seconds: ground.run(_repeated(work, found, seconds)))

    key = probe("one shop by its key", by_key, 1)
    what = f"nearest {NEAREST} open shops of {count:,}"
    return [
        Row(f"{what}, Postgres", probe("nearest shops by Postgres", nearest(table.near), NEAREST), key, goal=0.6),
        Row(f"{what}, Redis", probe("nearest shops by Redis", nearest(index.near), NEAREST), key, goal=0.6),
    ]


def _shops(database: Database, cards: PostgresCards, cache: RedisCache, search: Search) -> Shops:
    """Return what the operation is given; only places and cards are asked here."""
    store, clock = PostgresShops(database, region=REGION), SystemClock()
    documents = CachedDocuments(cache, "shop", partial(shop_document, store=store, clock=clock), clock=clock)
    inbox = PostgresInbox(database)
    return Shops(store=store, documents=documents, places=_Places(search), cards=cards, inbox=inbox, clock=clock)


async def _filled(index: RedisShopIndex, table: PostgresPlaces) -> bool:
    return await index.fill(await table.all())


async def _repeated(work: Callable[[], Awaitable[int]], found: int, seconds: float) -> Readings:
    count, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        if await work() != found:
            raise BenchFailed(f"a search did not find {found}")
        count += 1
    return {VALUE: count / took}
