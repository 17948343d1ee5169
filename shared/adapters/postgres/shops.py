"""Shops in Postgres: their streams, their places on the Earth, and the cards that lists are made of."""

import math
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from pydantic import TypeAdapter

from shared.adapters.postgres.database import Database, Row, Sql
from shared.adapters.postgres.statement import StateTable
from shared.adapters.postgres.store import StateStore
from shared.kernel.hours import Opening, Pause, SpecialDay, Week
from shared.shops.lifecycle import evolve
from shared.shops.model import Shop
from shared.shops.ports import After, Found, Place, ShopCard

TABLE: Final = StateTable(name="shops", key="shop_id", model=Shop, evolve=evolve)

EARTH_RADIUS_M: Final = 6_372_797.560856
"""That of Redis's sphere: both indexes tell the same distances, so a page may come from either."""
_CARDS_S: Final = 10.0
_WEEKS: Final = 4_096
"""Weeks that are kept parsed. Most shops keep the hours that many others keep."""

_CARD: Final = (
    "shop_id, json_strip_nulls(json_build_object('shop_id', shop_id, 'name', name, 'address', address, 'position',"
    " json_build_object('latitude', latitude, 'longitude', longitude), 'currency', currency, 'accepts', accepts,"
    " 'rating', (select json_build_object('average', round(r.stars::numeric / r.ratings, 1), 'count', r.ratings)"
    " from shop_ratings r where r.shop_id = shops.shop_id)))::text,"
    " timezone, weekly::text, special::text, pause::text"
)
_NEAR: Final = Sql(
    "select (ll_to_earth(latitude, longitude) <-> ll_to_earth(:latitude::float8, :longitude::float8)) / earth(),"
    f" {_CARD} from shops"
    " order by ll_to_earth(latitude, longitude) <-> ll_to_earth(:latitude::float8, :longitude::float8)"
    " limit :limit::int"
)
_ALL: Final = Sql("select shop_id, longitude, latitude from shops")
_CARDS: Final = Sql(f"select {_CARD} from shops where shop_id = any(:shop_ids::text[])")
_WEEKLY: Final = TypeAdapter(tuple[Opening, ...])
_SPECIAL: Final = TypeAdapter(tuple[SpecialDay, ...])


class PostgresShops(StateStore[Shop]):
    """The shops' own store."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, TABLE, region=region)


class PostgresCards:
    """What lists show of shops; the process keeps the most used for some seconds."""

    def __init__(self, db: Database, *, ttl_s: float = _CARDS_S, size: int = 10_000) -> None:
        self._db = db
        self._ttl_s = ttl_s
        self._size = size
        self._kept: OrderedDict[str, tuple[float, ShopCard]] = OrderedDict()

    async def of(self, shop_ids: Sequence[str]) -> dict[str, ShopCard]:
        """Return the cards of these shops by id; those unknown are missing."""
        now = time.monotonic()
        cards: dict[str, ShopCard] = {}
        missing: list[str] = []
        for shop_id in shop_ids:
            kept = self._kept.get(shop_id)
            if kept is not None and kept[0] > now:
                cards[shop_id] = kept[1]
            else:
                missing.append(shop_id)
        if missing:
            rows = await self._db.run(_CARDS, shop_ids=missing)
            cards |= {card.shop_id: card for card in self.keep(rows)}
        return cards

    def keep(self, rows: Iterable[Row]) -> list[ShopCard]:
        """Keep the cards in rows of the columns of `_CARD`, and return them."""
        until = time.monotonic() + self._ttl_s
        cards = [
            ShopCard(shop_id, listed, _week(weekly, timezone, special), _pause(pause))
            for shop_id, listed, timezone, weekly, special, pause in rows
        ]
        for card in cards:
            self._kept[card.shop_id] = (until, card)
            self._kept.move_to_end(card.shop_id)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return cards


@lru_cache(maxsize=_WEEKS)
def _week(weekly: str, timezone: str, special: str) -> Week:
    return Week(_WEEKLY.validate_json(weekly), timezone, _SPECIAL.validate_json(special))


def _pause(pause: str | None) -> Pause | None:
    return Pause.model_validate_json(pause) if pause else None


class PostgresPlaces:
    """Where the shops are, nearest first by the GiST index."""

    def __init__(self, db: Database, cards: PostgresCards) -> None:
        """Cards come with the places, in one round trip: whoever asks `cards` next finds them there."""
        self._db = db
        self._cards = cards

    async def near(
        self, longitude: float, latitude: float, *, radius_m: float, limit: int, after: After | None = None
    ) -> Sequence[Found]:
        """Return up to `limit` shops, nearest first, those at one distance by id."""
        count = (after.seen if after else 0) + limit + 2
        seen = (after.distance_m, after.shop_id) if after else (-1.0, "")
        while True:
            rows = await self._db.run(_NEAR, longitude=longitude, latitude=latitude, limit=count)
            self._cards.keep(row[1:] for row in rows)
            found = sorted((_along_the_ground(row[0]), str(row[1])) for row in rows)
            cut = len(found) == count and found[-1][0] <= radius_m
            if cut:  # of several at the farthest distance some may be missing: that distance is for the next try
                found = [one for one in found if one[0] < found[-1][0]]
            page = [
                Found(shop_id, far, exact=True) for far, shop_id in found if far <= radius_m and (far, shop_id) > seen
            ]
            if len(page) >= limit or not cut:
                return page[:limit]
            count *= 2

    async def all(self) -> list[Place]:
        """Return the place of every shop there is."""
        return [Place(shop_id, longitude, latitude) for shop_id, longitude, latitude in await self._db.run(_ALL)]


def _along_the_ground(chord: float) -> float:
    """Return the distance in metres of two points whose chord is given in Earth radii; to a millimetre."""
    return round(2 * EARTH_RADIUS_M * math.asin(min(1.0, chord / 2)), 3)
