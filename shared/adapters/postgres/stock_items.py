"""What shops want of their SKUs, in Postgres. That one is low is true in the commit that says so, or it is not said;
that one is sold out holds for every order after that commit.
"""

from collections.abc import Sequence
from typing import Final

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.statement import StateTable
from shared.adapters.postgres.store import StateStore
from shared.kernel.ids import ShopId
from shared.supply.item_model import StockItem
from shared.supply.reordering import evolve_item

TABLE: Final = StateTable(
    name="stock_items",
    key="stock_item_id",
    model=StockItem,
    evolve=evolve_item,
    extra=""",
level as (
  select s.on_hand <= r.reorder_point as low
    from stock s, jsonb_to_record(:row::jsonb) as r(shop_id text, sku text, reorder_point bigint)
   where s.shop_id = r.shop_id and s.sku = r.sku for share of s),
marked as (
  update stock s set sold_out_until = case when r.sold_out then coalesce(r.until, 'infinity') end
    from state, jsonb_to_record(:row::jsonb) as r(shop_id text, sku text, sold_out boolean, until timestamptz)
   where s.shop_id = r.shop_id and s.sku = r.sku
     and s.sold_out_until is distinct from case when r.sold_out then coalesce(r.until, 'infinity') end)""",
    checks=(
        "when :told::boolean and not exists ("
        "select from level where coalesce(low, false) = (:row::jsonb ->> 'low')::boolean)"
        " then refuse('CR001', 'stock moved on')",
    ),
)
_CROSSED: Final = Sql("""
select i.sku from stock_items i join stock s on s.shop_id = i.shop_id and s.sku = i.sku
 where i.shop_id = :shop_id and i.sku = any(:skus::text[])
   and i.low <> coalesce(s.on_hand <= i.reorder_point, false)
 order by i.sku
""")


class PostgresStockItems(StateStore[StockItem]):
    """Reorder points, who was told, what is sold out. A decision's `told` says whether it tells of a crossing."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, TABLE, region=region)

    async def crossed(self, shop_id: ShopId, skus: Sequence[str]) -> Sequence[str]:
        """Return those of the SKUs that are low and not told to be, or told to be and not low."""
        return [str(sku) for (sku,) in await self._db.run(_CROSSED, shop_id=shop_id, skus=list(skus))]
