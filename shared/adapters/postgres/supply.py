"""Stock in Postgres: deliveries, adjustments and holds as streams, and counters that move in their commits."""

from collections.abc import Mapping, Sequence
from typing import Final

from shared.adapters.postgres.database import Database, Row, Sql
from shared.adapters.postgres.statement import GuardedBy, StateTable
from shared.adapters.postgres.stock_moves import moving
from shared.adapters.postgres.store import StateStore
from shared.kernel.decision import Page
from shared.kernel.errors import NotFound
from shared.kernel.ids import MerchantId, OrderId, ShopId
from shared.supply.facts import BaseUnit
from shared.supply.lifecycle import evolve_hold, evolve_receipt
from shared.supply.model import StockAdjustment, StockHold, StockLevel, StockMovement, StockReceipt, StockTransfer
from shared.supply.ports import OrderStanding
from shared.supply.stocktaking import evolve_adjustment, evolve_transfer

RECEIPTS: Final = StateTable(
    name="stock_receipts",
    key="receipt_id",
    model=StockReceipt,
    evolve=evolve_receipt,
    extra=moving("""
  select r.shop_id, l.sku, r.merchant_id, sum(l.quantity)::bigint as delta, 0::bigint as freed, 'received' as reason,
         null as order_id, null::bigint as expected, l.unit
    from state, jsonb_to_record(:row::jsonb) as r(shop_id text, merchant_id text, lines jsonb),
         jsonb_to_recordset(r.lines) as l(sku text, quantity bigint, unit text)
   group by r.shop_id, l.sku, r.merchant_id, l.unit"""),
)

ADJUSTMENTS: Final = StateTable(
    name="stock_adjustments",
    key="adjustment_id",
    model=StockAdjustment,
    evolve=evolve_adjustment,
    extra=moving("""
  select r.shop_id, l.sku, r.merchant_id, l.delta, 0::bigint as freed, r.reason, null as order_id,
         l.version as expected, l.unit
    from state, jsonb_to_record(:row::jsonb) as r(shop_id text, merchant_id text, reason text, lines jsonb),
         jsonb_to_recordset(r.lines) as l(sku text, delta bigint, version bigint, unit text)"""),
)

TRANSFERS: Final = StateTable(
    name="stock_transfers",
    key="transfer_id",
    model=StockTransfer,
    evolve=evolve_transfer,
    extra=moving("""
  select case w.way when 1 then r.to_shop_id else r.from_shop_id end as shop_id, l.sku, r.merchant_id,
         w.way * l.quantity as delta, 0::bigint as freed,
         case w.way when 1 then 'transferred_in' else 'transferred_out' end as reason, null as order_id,
         null::bigint as expected, l.unit
    from state, jsonb_to_record(:row::jsonb) as r(merchant_id text, from_shop_id text, to_shop_id text, lines jsonb),
         jsonb_to_recordset(r.lines) as l(sku text, quantity bigint, unit text), (values (-1), (1)) as w(way)"""),
)

HOLDS: Final = StateTable(
    name="stock_holds",
    key="reservation_id",
    model=StockHold,
    evolve=evolve_hold,
    guards=(GuardedBy("orders", "order_id"),),
    extra=moving("""
  select r.shop_id, l.sku, r.merchant_id,
         case r.state when 'consumed' then -sum(l.quantity) else 0 end::bigint as delta,
         sum(l.quantity)::bigint as freed, case r.state when 'consumed' then 'consumed' end as reason, r.order_id,
         null::bigint as expected, null as unit
    from state, jsonb_to_record(:row::jsonb) as r(shop_id text, merchant_id text, order_id text, state text,
                                                  lines jsonb),
         jsonb_to_recordset(r.lines) as l(sku text, quantity bigint)
   group by r.shop_id, l.sku, r.merchant_id, r.order_id, r.state"""),
)

_LEVEL: Final = """
select s.sku, s.unit, s.on_hand, s.reserved, s.movements, i.reorder_point,
       coalesce(s.sold_out_until > clock_timestamp(), false), i.until
  from stock s left join stock_items i on i.shop_id = s.shop_id and i.sku = s.sku
 where s.shop_id = :shop_id"""
_LEVELS: Final = Sql(
    f"{_LEVEL} and s.merchant_id = :merchant_id and (:after::text is null or s.sku > :after::text)"
    " order by s.sku limit :limit::int"
)
_LEVELS_OF: Final = Sql(f"{_LEVEL} and s.sku = any(:skus::text[])")
_MOVEMENTS: Final = """
select jsonb_build_object('entry', entry, 'sku', sku, 'version', number, 'reason', reason, 'delta', delta,
                          'on_hand', on_hand, 'order_id', order_id, 'event_id', event_id, 'actor', actor,
                          'at', at)::text
  from stock_movements
 where shop_id = :shop_id and merchant_id = :merchant_id and entry < coalesce(:before::bigint, 9223372036854775807)
   {of_sku}order by entry desc limit :limit::int
"""
_ALL_MOVEMENTS: Final = Sql(_MOVEMENTS.format(of_sku=""))
_SKU_MOVEMENTS: Final = Sql(_MOVEMENTS.format(of_sku="and sku = :sku "))
_MERCHANT: Final = Sql("select merchant_id from shops where shop_id = :shop_id")
_STANDING: Final = Sql("select status, version from orders where order_id = :order_id")
_OVER: Final = {"cancelled", "expired"}
_BEGUN: Final = {"preparing", "ready", "completed"}


class PostgresReceipts(StateStore[StockReceipt]):
    """Deliveries."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, RECEIPTS, region=region)


class PostgresAdjustments(StateStore[StockAdjustment]):
    """Adjustments."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, ADJUSTMENTS, region=region)


class PostgresTransfers(StateStore[StockTransfer]):
    """Transfers."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, TRANSFERS, region=region)


class PostgresHolds(StateStore[StockHold]):
    """What orders hold. A hold is laid by its order's commit, at version 0 and without an event of its own."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, HOLDS, region=region)


class PostgresShelves:
    """The counters, and the ledger of what moved them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def levels(
        self, shop_id: ShopId, merchant_id: MerchantId, *, after: str | None, limit: int
    ) -> Page[StockLevel]:
        """Return the shop's stock by SKU, after the cursor."""
        rows = await self._db.run(_LEVELS, shop_id=shop_id, merchant_id=merchant_id, after=after, limit=limit + 1)
        levels = [_level(row) for row in rows[:limit]]
        return levels, levels[-1].sku if len(rows) > limit else None

    async def of(self, shop_id: ShopId, skus: Sequence[str]) -> Mapping[str, StockLevel]:
        """Return the present levels of these SKUs, by SKU; none of what was never in stock there."""
        levels = map(_level, await self._db.run(_LEVELS_OF, shop_id=shop_id, skus=list(skus)))
        return {level.sku: level for level in levels}

    async def movements(
        self, shop_id: ShopId, merchant_id: MerchantId, *, sku: str | None, before: int | None, limit: int
    ) -> Sequence[StockMovement]:
        """Return what moved at the shop, newest first, before the entry; of one SKU where it is named."""
        asked = {"shop_id": shop_id, "merchant_id": merchant_id, "before": before, "limit": limit}
        if sku is None:
            rows = await self._db.run(_ALL_MOVEMENTS, **asked)
        else:
            rows = await self._db.run(_SKU_MOVEMENTS, sku=sku, **asked)
        return [StockMovement.model_validate_json(text) for (text,) in rows]


def _level(row: Row) -> StockLevel:
    sku, unit, on_hand, reserved, movements, reorder_point, sold_out, until = row
    return StockLevel(
        sku=sku,
        unit=BaseUnit(unit),
        on_hand=on_hand,
        reserved=reserved,
        free=on_hand - reserved,
        version=movements,
        reorder_point=reorder_point,
        sold_out=sold_out,
        until=until if sold_out else None,
    )


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
