"""Finding shops: the region's Redis while it knows all of them, Postgres behind it, which also fills it again."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from prometheus_client import Counter

from shared.adapters.postgres.shops import PostgresPlaces
from shared.adapters.redis.geo import RedisShopIndex
from shared.kernel.errors import Transient
from shared.shops.ports import After, Found, Place

_FILL_EVERY_S: Final = 10.0
_SEARCHES: Final = Counter("shop_searches_total", "Searches for shops around a point", ["answered_by"])


class IndexedPlaces:
    """Fulfils `shared.shops.ports.Places`."""

    def __init__(self, index: RedisShopIndex, table: PostgresPlaces, *, fill_every_s: float = _FILL_EVERY_S) -> None:
        self._index = index
        self._table = table
        self._fill_every_s = fill_every_s
        self._fill_after = 0.0
        self._filling: asyncio.Task[None] | None = None

    async def near(
        self, longitude: float, latitude: float, *, radius_m: float, limit: int, after: After | None = None
    ) -> Sequence[Found]:
        """Return up to `limit` shops, nearest first, those at one distance by id."""
        if after is None or not after.exact:
            found = await self._index.near(longitude, latitude, radius_m=radius_m, limit=limit, after=after)
            if found is not None:
                _SEARCHES.labels("redis").inc()
                return found
            self._refill()
        _SEARCHES.labels("postgres").inc()
        return await self._table.near(longitude, latitude, radius_m=radius_m, limit=limit, after=after)

    async def put(self, place: Place) -> bool:
        """Add or move a shop; return False when the index could not note it."""
        return await self._index.put(place)

    def _refill(self) -> None:
        """Fill the index beside the request that found it empty; one fill at a time, and not again at once."""
        if self._filling is None and time.monotonic() >= self._fill_after:
            self._filling = asyncio.get_running_loop().create_task(self._fill())

    async def _fill(self) -> None:
        try:
            await self._index.fill(await self._table.all())
        except Transient:
            _SEARCHES.labels("unfilled").inc()  # the next search that finds no index tries again
        finally:
            self._fill_after = time.monotonic() + self._fill_every_s
            self._filling = None
