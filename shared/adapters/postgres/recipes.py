"""Recipes in Postgres: put by supply, read by orders. The unit of a SKU is fixed by what names it first."""

from collections.abc import Mapping
from typing import Final

from pydantic import TypeAdapter

from shared.adapters.kept import Kept
from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.statement import StateTable, rows_sql
from shared.adapters.postgres.store import StateStore, stored
from shared.kernel.decision import Page
from shared.kernel.ids import MerchantId, ShopId
from shared.orders.ports import Takes
from shared.supply.facts import RecipeLine, Substitution
from shared.supply.model import Recipe
from shared.supply.recipes import evolve_recipe

TTL_S: Final = 2.0
SIZE: Final = 10_000

TABLE: Final = StateTable(
    name="recipes",
    key="recipe_id",
    model=Recipe,
    evolve=evolve_recipe,
    extra=""",
given as materialized (
  select r.shop_id, r.merchant_id, l.sku, l.unit
    from state, jsonb_to_record(:row::jsonb) as r(shop_id text, merchant_id text, takes jsonb),
         jsonb_to_recordset(r.takes) as l(sku text, unit text)),
counted as (
  insert into stock as s (shop_id, sku, merchant_id, unit)
  select shop_id, sku, merchant_id, unit from given order by shop_id, sku
  on conflict (shop_id, sku) do update set unit = s.unit
  returning sku, unit)""",
    checks=(
        "when exists (select from counted c join given g using (sku) where c.unit <> g.unit)"
        " then refuse('CR001', 'stock moved on')",
    ),
)
_OF_SHOP: Final = rows_sql(
    TABLE,
    "where shop_id = :shop_id and merchant_id = :merchant_id and (:after::text is null or product_id > :after::text)"
    " order by product_id limit :limit::int",
)
_TAKEN: Final = Sql(
    "select product_id, takes::text, instead::text from recipes"
    " where shop_id = :shop_id and (takes <> '[]' or instead <> '[]')"
)
_SELLS: Final = Sql("""
select exists (select from menus m
                where m.shop_id = :shop_id
                  and (m.items @> jsonb_build_array(jsonb_build_object('item_id', :product_id::text))
                       or m.groups @> jsonb_build_array(jsonb_build_object('modifiers',
                            jsonb_build_array(jsonb_build_object('modifier_id', :product_id::text))))))
""")
_LINES: Final = TypeAdapter(tuple[RecipeLine, ...])
_INSTEAD: Final = TypeAdapter(tuple[Substitution, ...])


class PostgresRecipes(StateStore[Recipe]):
    """Recipes as supply keeps them."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, TABLE, region=region)

    async def of_shop(self, shop_id: ShopId, merchant_id: MerchantId, *, after: str | None, limit: int) -> Page[Recipe]:
        """Return the shop's recipes by item or choice, after the cursor."""
        rows = await self._db.run(_OF_SHOP, shop_id=shop_id, merchant_id=merchant_id, after=after, limit=limit + 1)
        found = [stored(Recipe, row).state for row in rows[:limit]]
        return found, found[-1].product_id if len(rows) > limit else None


class PostgresMenuProducts:
    """What supply reads of menus."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def sells(self, shop_id: ShopId, product_id: str) -> bool:
        """Return whether the item or choice is on the shop's present menu."""
        return bool((await self._db.run(_SELLS, shop_id=shop_id, product_id=product_id))[0][0])


class PostgresOrderRecipes:
    """Recipes as orders see them."""

    def __init__(self, db: Database, *, ttl_s: float = TTL_S) -> None:
        self._db = db
        self._kept = Kept(self._load, ttl_s=ttl_s, size=SIZE)

    async def of(self, shop_id: ShopId) -> Mapping[str, Takes]:
        """Return what the shop's items and choices take, by their ids, at most some seconds old."""
        return await self._kept.get(shop_id)

    async def _load(self, shop_id: ShopId) -> Mapping[str, Takes]:
        rows = await self._db.run(_TAKEN, shop_id=shop_id)
        return {
            product_id: Takes(
                {line.sku: line.quantity for line in _LINES.validate_json(takes)},
                {swap.sku: swap.by for swap in _INSTEAD.validate_json(instead)},
            )
            for product_id, takes, instead in rows
        }
