"""A shop with stock, on a real database, and customers who order: what tests of supply start from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from shared.adapters.postgres.database import Connection, Sql
from shared.adapters.postgres.replay import replay
from shared.kernel.decision import AlreadyAnswered, By, Page, Role
from shared.kernel.ids import KeyId, MerchantId, OrderId, ShopId
from shared.orders.cancel_order import cancel_order
from shared.orders.create_order import create_order
from shared.orders.model import CancelOrder
from shared.settings import PostgresSettings
from shared.supply.model import ReceiveStock, StockLevel, StockMovement
from shared.supply.ports import Shelves
from shared.supply.receive_stock import receive_stock
from tests.integration.ordering import FixedClock, Ordering, customer
from tests.integration.shopkeeping import keyed, supplied

LAY_SHOP = Sql(
    "insert into shops (shop_id, merchant_id, name, address, latitude, longitude, timezone, currency, accepts, payout,"
    " confirmations, weekly, registered_at, version, head) values (:shop_id, :merchant_id, 'Corner', 'here', 52, 13,"
    " 'Europe/Berlin', 'EUR', '{BTC}', '{}', '{}', '[]', now(), 0, '')"
)
LAY_MENU = Sql(
    "insert into menus (menu_id, shop_id, merchant_id, currency, items, groups, version, head)"
    " values (:menu_id, :shop_id, :merchant_id, 'EUR', :items::jsonb, :groups::jsonb, 0, '')"
)
SUPPLIED = ("stock", "rsv_", "rcv_", "adj_", "stk_", "rcp_", "trf_")
"""What lines of a replay begin with that are about supply."""
BEGIN_PREPARING = Sql(
    "update orders set status = 'preparing', version = version + 1 where order_id = :order_id and status = 'pending'"
)


LET_GO = Sql(
    "update orders set status = 'expired', version = version + 1 where order_id = :order_id and status = 'pending'"
)


class Interrupted:
    """Shelves on which something happens right after the first look at them."""

    def __init__(self, shelves: Shelves, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._shelves, self._meanwhile = shelves, meanwhile
        self.looks = 0

    async def of(self, shop_id: ShopId, skus: Sequence[str]) -> Mapping[str, StockLevel]:
        found = await self._shelves.of(shop_id, skus)
        self.looks += 1
        if self.looks == 1:
            await self._meanwhile()
        return found

    async def levels(
        self, shop_id: ShopId, merchant_id: MerchantId, *, after: str | None, limit: int
    ) -> Page[StockLevel]:
        return await self._shelves.levels(shop_id, merchant_id, after=after, limit=limit)

    async def movements(
        self, shop_id: ShopId, merchant_id: MerchantId, *, sku: str | None, before: int | None, limit: int
    ) -> Sequence[StockMovement]:
        return await self._shelves.movements(shop_id, merchant_id, sku=sku, before=before, limit=limit)


class Counter:
    """A shop with stock, and customers who order."""

    def __init__(self, database: str) -> None:
        self.ordering = Ordering(database)
        self.url, self.db = database, self.ordering.db
        self.supply = supplied(self.db, FixedClock())
        self.shop_id = self.ordering.shop.shop_id
        self.merchant_id = self.ordering.shop.merchant_id
        self.manager = By(KeyId.new(), frozenset({Role.MANAGER}), self.merchant_id)

    async def open(self) -> None:
        await self.db.run(LAY_SHOP, shop_id=self.shop_id, merchant_id=self.merchant_id)

    async def received(self, portions: dict[str, int], by: By | None = None) -> bytes:
        """Take a delivery in and return what was answered."""
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in portions.items()]
        command = ReceiveStock.model_validate({"lines": lines})
        try:
            return (await receive_stock(self.shop_id, command, by=by or keyed(self.manager), using=self.supply)).body
        except AlreadyAnswered as before:
            return before.reply.body

    async def ordered(self, quantity: int = 1) -> OrderId:
        reply = await create_order(
            self.ordering.wanted(quantity), by=customer(OrderId.new()), using=self.ordering.orders
        )
        return reply.view.order_id

    async def cancelled(self, order_id: OrderId) -> None:
        by = By(self.manager.actor, self.manager.roles, self.merchant_id, once=keyed(self.manager).once)
        await cancel_order(order_id, CancelOrder(), if_match=None, by=by, using=self.ordering.orders)

    async def begun(self, order_id: OrderId) -> None:
        await self.db.run(BEGIN_PREPARING, order_id=order_id)

    async def let_go(self, order_id: OrderId) -> None:
        await self.db.run(LET_GO, order_id=order_id)

    def stock_differences(self) -> list[str]:
        """What a replay says of stock, holds and deliveries; orders are moved behind its back in these tests."""
        found = replay(Connection(PostgresSettings(self.url))).differences
        return [line for line in found if line.startswith(SUPPLIED)]
