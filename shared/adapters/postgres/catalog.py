"""Menus in Postgres: their streams with every version kept, and what the catalog reads of shops and rates."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter

from shared.adapters.kept import Kept
from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.statement import StateTable
from shared.adapters.postgres.store import StateStore
from shared.catalog.lifecycle import evolve
from shared.catalog.model import Menu
from shared.catalog.ports import Rate, Shelf, ShopTerms
from shared.kernel.errors import NotFound
from shared.kernel.ids import MerchantId, OrderId, ShopId
from shared.kernel.money import Asset, Currency

TABLE: Final = StateTable(
    name="menus",
    key="menu_id",
    model=Menu,
    evolve=evolve,
    extra=""",
kept_for_good as (
  insert into menu_versions (shop_id, version, document)
  select :row::jsonb ->> 'shop_id', :version::bigint, :row::jsonb from state
  returning 1)""",
)

TERMS_S: Final = 2.0
RATES_S: Final = 1.0
SIZE: Final = 10_000

_TERMS: Final = Sql(
    "select merchant_id, currency, accepts, spread_bp::text, timezone from shops where shop_id = :shop_id"
)
_SPREADS: Final = TypeAdapter(dict[Asset, int])
_SHELF: Final = Sql("""
select case when sold_out_until > :now::timestamptz then 'marked' else 'there' end, sku,
       case when sold_out_until > :now::timestamptz and isfinite(sold_out_until) then sold_out_until end
  from stock where shop_id = :shop_id and (on_hand > reserved or sold_out_until > :now::timestamptz)
union all
select 'recipe', product_id, null from recipes where shop_id = :shop_id and (takes <> '[]' or instead <> '[]')
""")
_POPULAR: Final = Sql(
    "select shop_id from (select shop_id from orders where order_id > :after order by order_id desc limit 5000) newest"
    " group by shop_id order by count(*) desc, shop_id limit :limit::int"
)
_RATES: Final = Sql("select asset, rate, at from price_latest where currency = :currency")


class PostgresMenus(StateStore[Menu]):
    """The catalog's own store."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, TABLE, region=region)


class PostgresShopTerms:
    """Shops as the catalog sees them. Merchant and currency of a shop never change."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept = Kept(self._load, ttl_s=TERMS_S, size=SIZE)

    async def terms(self, shop_id: ShopId) -> ShopTerms:
        """Return the shop's terms, at most some seconds old. Raises NotFound."""
        return await self._kept.get(shop_id)

    async def _load(self, shop_id: ShopId) -> ShopTerms:
        rows = await self._db.run(_TERMS, shop_id=shop_id)
        if not rows:
            raise NotFound("There is no such shop.")
        merchant_id, currency, accepts, spreads, timezone = rows[0]
        taken = tuple(Asset(asset) for asset in accepts)
        return ShopTerms(shop_id, MerchantId(merchant_id), currency, taken, _SPREADS.validate_json(spreads), timezone)


class PostgresRates:
    """The newest rates."""

    def __init__(self, db: Database, *, ttl_s: float = RATES_S) -> None:
        self._db = db
        self._kept = Kept(self._load, ttl_s=ttl_s, size=100)

    async def latest(self, currency: Currency) -> Mapping[Asset, Rate]:
        """Return the newest rates in a currency, at most a second later than they were found, however old."""
        return await self._kept.get(currency)

    async def _load(self, currency: Currency) -> Mapping[Asset, Rate]:
        rows = await self._db.run(_RATES, currency=currency)
        return {Asset(asset): Rate(rate, at) for asset, rate, at in rows}


class PostgresShelf:
    """What the catalog reads of stock."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def shelf(self, shop_id: ShopId, *, now: datetime) -> Shelf:
        """Return what can be sold now."""
        there, by_recipe, back_at = set(), set(), {}
        for kind, name, until in await self._db.run(_SHELF, shop_id=shop_id, now=now):
            if kind == "recipe":
                by_recipe.add(name)
            elif kind == "there":
                there.add(name)
            elif until is not None:
                back_at[name] = until
        return Shelf(frozenset(there), back_at, frozenset(by_recipe))


class PostgresPopular:
    """Where people order. Ids of orders begin with their time, so the newest are found by their key."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def shops(self, *, since: datetime, limit: int) -> Sequence[ShopId]:
        """Return the shops with the most orders since then, the busiest first; the newest orders count if too many."""
        after = f"{OrderId.prefix}_{int(since.timestamp() * 1000):012x}"
        return [ShopId(shop_id) for (shop_id,) in await self._db.run(_POPULAR, after=after, limit=limit)]
