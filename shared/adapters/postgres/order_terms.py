"""What orders read of shops and menus: kept in the process for seconds, else from Postgres."""

from typing import Final

from pydantic import TypeAdapter

from shared.adapters.kept import Kept
from shared.adapters.postgres.database import Database, Row, Sql
from shared.catalog.facts import Daypart, MenuItem, ModifierGroup, SoldOutMark, Tax
from shared.kernel.errors import NotFound
from shared.kernel.hours import Opening, Pause, SpecialDay
from shared.kernel.ids import MerchantId, ShopId
from shared.orders.ports import PricedMenu, ShopTerms
from shared.shops.facts import Capacity, DeliveryTerms

TTL_S: Final = 2.0
SIZE: Final = 10_000
VERSIONS_S: Final = 60.0
VERSIONS: Final = 500
MAX_VERSION: Final = 2**63
"""Beyond what Postgres counts to."""

_TERMS: Final = Sql(
    "select merchant_id, currency, timezone, weekly::text, special::text, last_order_min, pause::text, capacity::text,"
    " latitude, longitude, delivery::text"
    " from shops where shop_id = :shop_id"
)
_MENU: Final = Sql(
    "select version, currency, items::text, groups::text, sold_out::text, dayparts::text, taxes::text"
    " from menus where shop_id = :shop_id"
)
_VERSION: Final = Sql(
    "select version, document ->> 'currency', document ->> 'items', document ->> 'groups',"
    " coalesce(document ->> 'sold_out', '[]'), coalesce(document ->> 'dayparts', '[]'),"
    " coalesce(document ->> 'taxes', '[]')"
    " from menu_versions where shop_id = :shop_id and version = :version::bigint"
)
_WEEKLY: Final = TypeAdapter(tuple[Opening, ...])
_SPECIAL: Final = TypeAdapter(tuple[SpecialDay, ...])
_ITEMS: Final = TypeAdapter(tuple[MenuItem, ...])
_GROUPS: Final = TypeAdapter(tuple[ModifierGroup, ...])
_SOLD_OUT: Final = TypeAdapter(tuple[SoldOutMark, ...])
_DAYPARTS: Final = TypeAdapter(tuple[Daypart, ...])
_TAXES: Final = TypeAdapter(tuple[Tax, ...])


class PostgresShopTerms:
    """Shops as orders see them."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept = Kept(self._load, ttl_s=TTL_S, size=SIZE)

    async def terms(self, shop_id: ShopId) -> ShopTerms:
        """Return the shop's terms, at most some seconds old. Raises NotFound."""
        return await self._kept.get(shop_id)

    async def _load(self, shop_id: ShopId) -> ShopTerms:
        rows = await self._db.run(_TERMS, shop_id=shop_id)
        if not rows:
            raise NotFound("There is no such shop.")
        merchant_id, currency, timezone, weekly, special, last_order_min, pause, capacity, *place, delivery = rows[0]
        return ShopTerms(
            shop_id,
            MerchantId(merchant_id),
            currency,
            timezone,
            weekly=_WEEKLY.validate_json(weekly),
            special=_SPECIAL.validate_json(special),
            last_order_min=last_order_min,
            pause=Pause.model_validate_json(pause) if pause else None,
            capacity=Capacity.model_validate_json(capacity) if capacity else None,
            latitude=place[0],
            longitude=place[1],
            delivery=DeliveryTerms.model_validate_json(delivery) if delivery else None,
        )


class PostgresMenus:
    """Menus as orders see them."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept = Kept(self._load, ttl_s=TTL_S, size=SIZE)
        self._versions = Kept(self._load_version, ttl_s=VERSIONS_S, size=VERSIONS)

    async def current(self, shop_id: ShopId, *, at_least: int = 0) -> PricedMenu:
        """Return the shop's present menu, at most some seconds old, and looked up anew if it is before `at_least`.

        Raises NotFound when nothing is sold there.
        """
        menu = await self._kept.get(shop_id)
        if menu.version < at_least:
            self._kept.forget(shop_id)
            menu = await self._kept.get(shop_id)
        return menu

    async def version(self, shop_id: ShopId, version: int) -> PricedMenu | None:
        """Return the shop's menu as it was at a version, or None where there never was such a one."""
        return await self._versions.get((shop_id, version))

    async def _load(self, shop_id: ShopId) -> PricedMenu:
        rows = await self._db.run(_MENU, shop_id=shop_id)
        if not rows:
            raise NotFound("There is no such shop, or it has no menu yet.")
        return _menu(shop_id, rows[0])

    async def _load_version(self, which: tuple[ShopId, int]) -> PricedMenu | None:
        shop_id, version = which
        rows = await self._db.run(_VERSION, shop_id=shop_id, version=version) if version < MAX_VERSION else ()
        return _menu(shop_id, rows[0]) if rows else None


def _menu(shop_id: ShopId, row: Row) -> PricedMenu:
    version, currency, items, groups, sold_out, dayparts, taxes = row
    return PricedMenu(
        shop_id=shop_id,
        version=version,
        currency=currency,
        items={item.item_id: item for item in _ITEMS.validate_json(items)},
        groups={group.group_id: group for group in _GROUPS.validate_json(groups)},
        sold_out=_SOLD_OUT.validate_json(sold_out),
        dayparts=_DAYPARTS.validate_json(dayparts),
        taxes=_TAXES.validate_json(taxes),
    )
