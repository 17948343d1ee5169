"""What orders read of shops and menus: kept in the process for seconds, else from Postgres."""

from typing import Final

from pydantic import TypeAdapter

from shared.adapters.kept import Kept
from shared.adapters.postgres.database import Database, Sql
from shared.catalog.facts import MenuItem, ModifierGroup
from shared.kernel.errors import NotFound
from shared.kernel.hours import Opening
from shared.kernel.ids import MerchantId, ShopId
from shared.orders.ports import PricedMenu, ShopTerms

TTL_S: Final = 2.0
SIZE: Final = 10_000

_TERMS: Final = Sql("select merchant_id, currency, timezone, weekly::text from shops where shop_id = :shop_id")
_MENU: Final = Sql("select version, currency, items::text, groups::text from menus where shop_id = :shop_id")
_WEEKLY: Final = TypeAdapter(tuple[Opening, ...])
_ITEMS: Final = TypeAdapter(tuple[MenuItem, ...])
_GROUPS: Final = TypeAdapter(tuple[ModifierGroup, ...])


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
        merchant_id, currency, timezone, weekly = rows[0]
        return ShopTerms(shop_id, MerchantId(merchant_id), currency, timezone, _WEEKLY.validate_json(weekly))


class PostgresMenus:
    """Menus as orders see them."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept = Kept(self._load, ttl_s=TTL_S, size=SIZE)

    async def current(self, shop_id: ShopId) -> PricedMenu:
        """Return the shop's present menu, at most some seconds old. Raises NotFound when nothing is sold there."""
        return await self._kept.get(shop_id)

    async def _load(self, shop_id: ShopId) -> PricedMenu:
        rows = await self._db.run(_MENU, shop_id=shop_id)
        if not rows:
            raise NotFound("There is no such shop, or it has no menu yet.")
        version, currency, items, groups = rows[0]
        return PricedMenu(
            shop_id=shop_id,
            version=version,
            currency=currency,
            items={item.item_id: item for item in _ITEMS.validate_json(items)},
            groups={group.group_id: group for group in _GROUPS.validate_json(groups)},
        )
