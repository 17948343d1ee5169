"""Stock in Postgres: deliveries and holds as streams, and counters that move in the commits of both.

Counters are locked in SKU order, as placing an order locks them: nobody waits in a circle.
"""

from typing import Final

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.statement import GuardedBy, StateTable
from shared.adapters.postgres.store import StateStore
from shared.kernel.decision import Page
from shared.kernel.errors import NotFound
from shared.kernel.ids import MerchantId, OrderId, ShopId
from shared.supply.lifecycle import evolve_hold, evolve_receipt
from shared.supply.model import StockHold, StockLevel, StockReceipt
from shared.supply.ports import OrderStanding

RECEIPTS: Final = StateTable(
    name="stock_receipts",
    key="receipt_id",
    model=StockReceipt,
    evolve=evolve_receipt,
    extra=""",
counted as (
  insert into stock as shelf (shop_id, sku, merchant_id, on_hand)
  select r.shop_id, l.sku, r.merchant_id, sum(l.quantity)
    from state, jsonb_to_record(:row::jsonb) as r(shop_id text, merchant_id text, lines jsonb),
         jsonb_to_recordset(r.lines) as l(sku text, quantity bigint)
   group by r.shop_id, l.sku, r.merchant_id order by l.sku
  on conflict (shop_id, sku) do update set on_hand = shelf.on_hand + excluded.on_hand
  returning 1)""",
)

HOLDS: Final = StateTable(
    name="stock_holds",
    key="reservation_id",
    model=StockHold,
    evolve=evolve_hold,
    guards=(GuardedBy("orders", "order_id"),),
    extra=""",
given as materialized (
  select r.shop_id, r.state = 'consumed' as used, l.sku, l.quantity
    from state, jsonb_to_record(:row::jsonb) as r(shop_id text, state text, lines jsonb),
         jsonb_to_recordset(r.lines) as l(sku text, quantity bigint)),
locked as materialized (
  select shop_id, sku from stock where (shop_id, sku) in (select shop_id, sku from given)
   order by shop_id, sku for update),
counted as (
  update stock s
     set reserved = s.reserved - g.quantity, on_hand = s.on_hand - case when g.used then g.quantity else 0 end
    from (select shop_id, sku, used, sum(quantity) as quantity from given group by shop_id, sku, used) g
         join locked using (shop_id, sku)
   where s.shop_id = g.shop_id and s.sku = g.sku
  returning 1)""",
)

_LEVELS: Final = Sql(
    "select sku, on_hand, reserved from stock where shop_id = :shop_id and merchant_id = :merchant_id"
    " and (:after::text is null or sku > :after::text) order by sku limit :limit::int"
)
_MERCHANT: Final = Sql("select merchant_id from shops where shop_id = :shop_id")
_STANDING: Final = Sql("select status, version from orders where order_id = :order_id")
_OVER: Final = {"cancelled", "expired"}
_BEGUN: Final = {"preparing", "ready", "completed"}


class PostgresReceipts(StateStore[StockReceipt]):
    """Deliveries."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, RECEIPTS, region=region)


class PostgresHolds(StateStore[StockHold]):
    """What orders hold. A hold is laid by its order's commit, at version 0 and without an event of its own."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, HOLDS, region=region)


class PostgresShelves:
    """The counters."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def levels(
        self, shop_id: ShopId, merchant_id: MerchantId, *, after: str | None, limit: int
    ) -> Page[StockLevel]:
        """Return the shop's stock by SKU, after the cursor."""
        rows = await self._db.run(_LEVELS, shop_id=shop_id, merchant_id=merchant_id, after=after, limit=limit + 1)
        levels = [
            StockLevel(sku=sku, on_hand=on_hand, reserved=reserved, free=on_hand - reserved)
            for sku, on_hand, reserved in rows[:limit]
        ]
        return levels, levels[-1].sku if len(rows) > limit else None


class PostgresShopOwners:
    """What supply reads of shops."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def merchant_of(self, shop_id: ShopId) -> MerchantId:
        """Return whose shop it is. Raises NotFound."""
        rows = await self._db.run(_MERCHANT, shop_id=shop_id)
        if not rows:
            raise NotFound("There is no such shop.")
        return MerchantId(rows[0][0])


class PostgresOrderStandings:
    """What supply reads of orders."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def standing(self, order_id: OrderId) -> OrderStanding:
        """Return what became of the order. Raises NotFound."""
        rows = await self._db.run(_STANDING, order_id=order_id)
        if not rows:
            raise NotFound("There is no such order.")
        status, version = rows[0]
        return OrderStanding(order_id, over=status in _OVER, begun=status in _BEGUN, version=version)
