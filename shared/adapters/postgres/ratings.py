"""Ratings in Postgres: their streams, the sum of each shop in the same commit, and what they read of orders."""

from collections.abc import Sequence
from typing import Final

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.statement import StateTable, rows_sql
from shared.adapters.postgres.store import StateStore, stored
from shared.kernel.ids import MerchantId, OrderId, RatingId, ShopId, UserId
from shared.shops.rating import RatedOrder, Rating, RatingSummary, evolve

TABLE: Final = StateTable(
    name="ratings",
    key="rating_id",
    model=Rating,
    evolve=evolve,
    extra=""",
summed as (
  insert into shop_ratings as s (shop_id, ratings, stars)
  select r.shop_id, 1, r.stars from jsonb_populate_record(null::ratings, :row::jsonb) r
  on conflict (shop_id) do update set
    ratings = s.ratings + case when :stars_before::int = 0 then 1 else 0 end,
    stars = s.stars + excluded.stars - :stars_before::int)""",
)
_ORDER: Final = Sql(
    "select shop_id, merchant_id, customer_id, status = 'completed' from orders where order_id = :order_id"
)
_OF_SHOP: Final = rows_sql(
    TABLE,
    "where shop_id = :shop_id and (:before::text is null or rating_id < :before) order by rating_id desc"
    " limit :limit::int",
)
_SUMMARY: Final = Sql(
    "select round(r.stars::numeric / r.ratings, 1)::float8, r.ratings"
    " from shops left join shop_ratings r using (shop_id) where shop_id = :shop_id"
)


class PostgresRatings(StateStore[Rating]):
    """The ratings' own store."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, TABLE, region=region)

    async def order(self, order_id: OrderId) -> RatedOrder | None:
        """Return what a rating must know of its order, or None when there is none."""
        rows = await self._db.run(_ORDER, order_id=order_id)
        if not rows:
            return None
        shop_id, merchant_id, customer_id, completed = rows[0]
        return RatedOrder(order_id, ShopId(shop_id), MerchantId(merchant_id), UserId(customer_id), completed)

    async def of_shop(
        self, shop_id: ShopId, *, before: str | None, limit: int
    ) -> tuple[RatingSummary | None, Sequence[Rating], RatingId | None] | None:
        """Return the sum of all, a page of ratings before the cursor, and the next cursor; None for no such shop."""
        summed = await self._db.run(_SUMMARY, shop_id=shop_id)
        if not summed:
            return None
        ((average, count),) = summed
        rows = await self._db.run(_OF_SHOP, shop_id=shop_id, before=before, limit=limit + 1)
        ratings = [stored(Rating, row).state for row in rows[:limit]]
        summary = RatingSummary(average=average, count=count) if count else None
        return summary, ratings, ratings[-1].rating_id if len(rows) > limit else None
