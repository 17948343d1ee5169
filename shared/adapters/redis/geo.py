"""Where the shops are: a geo index that either knows all of them or says that it does not.

Redis may be emptied at any time. A marker inside the same key is set once all shops are in; without the marker a
search answers None, and the caller asks Postgres and has the index filled again.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import redis.asyncio

from shared.adapters.redis.client import guard
from shared.adapters.resilience import Outage
from shared.settings import RedisSettings
from shared.shops.ports import After, Found, Place

_KEY: Final = "geo:shops"
_COMPLETE: Final = "complete"
_NOWHERE: Final = (0.0, 0.0)
"""In the Gulf of Guinea: the marker needs a place, and no shop is there."""
_BATCH: Final = 500
_LEAST_REACH_M: Final = 250.0


class RedisShopIndex:
    """The geo index of all shops of the platform."""

    def __init__(self, client: redis.asyncio.Redis, settings: RedisSettings) -> None:
        self._client = client
        self._guard = guard(settings, "redis-geo")
        self._reach_m = _LEAST_REACH_M
        """How far a page reached lately: the next search begins with that, and widens it where too few are found."""

    async def near(
        self, longitude: float, latitude: float, *, radius_m: float, limit: int, after: After | None = None
    ) -> Sequence[Found] | None:
        """Return up to `limit` shops, nearest first, those at one distance by id; None when the index can't know.

        The next page is asked for with `after` made of the last shop of this one.
        """
        reach = min(radius_m, max(self._reach_m, 2 * after.distance_m if after else 0.0))
        while True:
            page = await self._within(longitude, latitude, reach, limit, after)
            if page is None:
                return None
            if len(page) >= limit:
                self._reach_m = max(_LEAST_REACH_M, 1.5 * page[-1].distance_m)
                return page
            if reach >= radius_m:
                return page
            reach = min(radius_m, 4 * reach)

    async def _within(
        self, longitude: float, latitude: float, radius_m: float, limit: int, after: After | None
    ) -> Sequence[Found] | None:
        """Return a page as `near` does. Redis looks at every shop within the radius, so `near` asks for a small one."""
        count = (after.seen if after else 0) + limit + 2
        while True:
            found = await self._search(longitude, latitude, radius_m, count)
            if found is None:
                return None
            cut = len(found) >= count - 1
            if cut:  # of several at the farthest distance some may be missing: that distance is for the next try
                found = [one for one in found if one.distance_m < found[-1].distance_m]
            page = [one for one in found if after is None or _order(one) > (after.distance_m, after.shop_id)]
            if len(page) >= limit or not cut:
                return page[:limit]
            count *= 2

    async def put(self, place: Place) -> bool:
        """Add or move a shop; return whether the index took it."""
        return await self._add([place], only_new=False)

    async def remove(self, shop_id: str) -> bool:
        """Take a shop out; return whether Redis answered."""

        async def attempt() -> None:
            await self._client.zrem(_KEY, shop_id)

        return await self._done(attempt)

    async def fill(self, places: Iterable[Place]) -> bool:
        """Add every shop that is missing, then mark the index complete; return whether that worked.

        Shops already in keep their place: an event that moved one meanwhile knows better than this read.
        """
        batch: list[Place] = []
        for place in places:
            batch.append(place)
            if len(batch) == _BATCH:
                if not await self._add(batch, only_new=True):
                    return False
                batch = []
        return await self._add([*batch, Place(_COMPLETE, *_NOWHERE)], only_new=True)

    async def _search(self, longitude: float, latitude: float, radius_m: float, count: int) -> list[Found] | None:
        async def attempt() -> list[Found] | None:
            pipeline = self._client.pipeline(transaction=True)
            pipeline.zscore(_KEY, _COMPLETE)
            pipeline.geosearch(
                _KEY,
                longitude=longitude,
                latitude=latitude,
                unit="m",
                radius=radius_m,
                sort="ASC",
                count=count,
                withdist=True,
            )
            complete, found = await pipeline.execute()
            if complete is None:
                return None
            shops = [Found(name.decode(), float(distance)) for name, distance in found]
            return sorted((shop for shop in shops if shop.shop_id != _COMPLETE), key=_order)

        try:
            return await self._guard.call(attempt)
        except Outage:
            return None

    async def _add(self, places: Sequence[Place], *, only_new: bool) -> bool:
        values = [value for place in places for value in (place.longitude, place.latitude, place.shop_id)]

        async def attempt() -> None:
            await self._client.geoadd(_KEY, values, nx=only_new)

        return await self._done(attempt)

    async def _done(self, attempt: Callable[[], Awaitable[None]]) -> bool:
        try:
            await self._guard.call(attempt)
        except Outage:
            return False
        return True


def _order(found: Found) -> tuple[float, str]:
    return found.distance_m, found.shop_id
