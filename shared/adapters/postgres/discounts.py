"""Discounts in Postgres: their streams, the counters of their uses, and what orders read of them.

A use is counted by the order's own commit (`place_orders.py`), and taken back by that of its return.
"""

from collections.abc import Sequence
from typing import Final

from shared.adapters.kept import Kept
from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.statement import GuardedBy, StateTable, rows_sql
from shared.adapters.postgres.store import StateStore, stored
from shared.catalog.discount_model import DiscountUse, KeptDiscount
from shared.catalog.discounts import evolve, evolve_use
from shared.catalog.facts import Discount
from shared.catalog.ports import OrderStanding
from shared.kernel.decision import Page, Stored
from shared.kernel.errors import NotFound
from shared.kernel.ids import DiscountId, OrderId, ShopId
from shared.orders.discounts import OfferedDiscount

DISCOUNTS: Final = StateTable(
    name="discounts",
    key="discount_id",
    model=KeptDiscount,
    evolve=evolve,
    extra=""",
given as (
  select r.shop_id, r.discount_id, r.discount ->> 'code' as code, (r.discount ->> 'uses')::bigint as most
    from state, jsonb_to_record(:row::jsonb) as r(shop_id text, discount_id text, discount jsonb)),
freed as (
  delete from discount_codes c using given g
   where c.discount_id = g.discount_id and c.code is distinct from g.code
  returning 1),
coded as (
  insert into discount_codes as known (shop_id, code, discount_id)
  select shop_id, code, discount_id from given where code is not null
  on conflict (shop_id, code) do update set discount_id = excluded.discount_id
    where known.discount_id = excluded.discount_id
  returning 1),
counted as (
  insert into discount_counters (discount_id, shop_id, most)
  select discount_id, shop_id, most from given
   where case when code is null or exists (select from coded) then true
              else refuse('CR001', 'another discount took the code') end
  on conflict (discount_id) do update set most = excluded.most
  returning 1)""",
)

USES: Final = StateTable(
    name="discount_uses",
    key="use_id",
    model=DiscountUse,
    evolve=evolve_use,
    guards=(GuardedBy("orders", "order_id"),),
    extra=""",
counted as (
  update discount_counters c set used = c.used - 1
    from state, jsonb_to_record(:row::jsonb) as r(discount_id text)
   where c.discount_id = r.discount_id
  returning 1)""",
)

OFFERED_S: Final = 2.0
SIZE: Final = 10_000
_OFFERED: Final = Sql(
    "select d.discount::text, c.most - c.used from discounts d join discount_counters c using (discount_id)"
    " where d.shop_id = :shop_id and (d.discount -> 'active')::boolean order by d.discount_id"
)
_WITH_CODE: Final = Sql("select discount_id from discount_codes where shop_id = :shop_id and code = :code")
_COUNT: Final = Sql("select count(*) from discounts where shop_id = :shop_id")
_PAGE: Final = rows_sql(
    DISCOUNTS,
    "where shop_id = :shop_id and (:after::text is null or discount_id > :after::text)"
    " order by discount_id limit :limit::int",
)
_USED: Final = Sql("select discount_id, used from discount_counters where discount_id = any(:discount_ids::text[])")
_STANDING: Final = Sql("select status, version from orders where order_id = :order_id")
_OVER: Final = {"cancelled", "expired"}


class PostgresDiscounts(StateStore[KeptDiscount]):
    """Discounts."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, DISCOUNTS, region=region)


class PostgresDiscountUses(StateStore[DiscountUse]):
    """The discounts of orders. One is laid by its order's commit, at version 0 and without an event of its own."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, USES, region=region)


class PostgresDiscountReads:
    """What is asked of discounts besides one stream."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def with_code(self, shop_id: ShopId, code: str) -> DiscountId | None:
        """Return the discount of the shop that has the code, or None."""
        rows = await self._db.run(_WITH_CODE, shop_id=shop_id, code=code)
        return DiscountId(rows[0][0]) if rows else None

    async def count(self, shop_id: ShopId) -> int:
        """Return how many discounts the shop has."""
        return int((await self._db.run(_COUNT, shop_id=shop_id))[0][0])

    async def page(self, shop_id: ShopId, *, after: str | None, limit: int) -> Page[tuple[Stored[KeptDiscount], int]]:
        """Return the shop's discounts by id, after the cursor, each with how many orders have it."""
        rows = await self._db.run(_PAGE, shop_id=shop_id, after=after, limit=limit + 1)
        found = [stored(KeptDiscount, row) for row in rows[:limit]]
        ids = [each.state.discount_id for each in found]
        used = {row[0]: int(row[1]) for row in await self._db.run(_USED, discount_ids=ids)} if ids else {}
        page = [(each, used[each.state.discount_id]) for each in found]
        return page, ids[-1] if len(rows) > limit else None


class PostgresOrderStandings:
    """What discounts read of orders."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def standing(self, order_id: OrderId) -> OrderStanding:
        """Return what became of the order. Raises NotFound."""
        rows = await self._db.run(_STANDING, order_id=order_id)
        if not rows:
            raise NotFound("There is no such order.")
        status, version = rows[0]
        return OrderStanding(over=status in _OVER, version=version)


class PostgresOfferedDiscounts:
    """Discounts as orders see them."""

    def __init__(self, db: Database, *, ttl_s: float = OFFERED_S) -> None:
        self._db = db
        self._kept = Kept(self._load, ttl_s=ttl_s, size=SIZE)

    async def of(self, shop_id: ShopId) -> Sequence[OfferedDiscount]:
        """Return the shop's active discounts, at most some seconds old, with the uses that are left."""
        return await self._kept.get(shop_id)

    async def _load(self, shop_id: ShopId) -> Sequence[OfferedDiscount]:
        rows = await self._db.run(_OFFERED, shop_id=shop_id)
        return [OfferedDiscount(Discount.model_validate_json(text), left) for text, left in rows]
