"""A crowd of customers in a process of its own: they order several things, repeat themselves, change their minds.

    python -m tests.integration.crowd DATABASE_URL SHOP.json SEED CUSTOMERS

SHOP.json is what `BusyShop.dump` wrote. Prints one JSON object: how the requests ended, and what was taken by SKU.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.orders import PostgresOrders, PostgresPaymentStandings
from shared.adapters.postgres.recipes import PostgresOrderRecipes
from shared.catalog.facts import MenuItem
from shared.kernel.decision import AlreadyAnswered, AlreadyTaken, By, Claim, Taking
from shared.kernel.errors import Transient
from shared.kernel.ids import EventId, ItemId, MerchantId, OrderId, ShopId
from shared.kernel.reply import Reply
from shared.orders.cancel_order import cancel_order
from shared.orders.create_order import create_order
from shared.orders.model import CancelOrder, LineRequest, OrderView, PlaceOrder
from shared.orders.ports import Orders, PricedMenu, ShopTerms, SoldOut
from shared.settings import PostgresSettings
from shared.supply.ports import Supply
from shared.supply.release_stock import release_stock
from shared.wiring.supply import supply_on
from tests.integration.ordering import ALWAYS, FixedClock, customer


class BusyShop:
    """The terms and the menu of a shop with several items, each with a stock of its own."""

    def __init__(self, shop_id: ShopId, merchant_id: MerchantId, items: dict[str, ItemId]) -> None:
        self.shop_id, self.merchant_id, self.items = shop_id, merchant_id, items
        menu = [MenuItem(item_id=item, name=sku, category="Coffee", price=300, sku=sku) for sku, item in items.items()]
        self._menu = PricedMenu(shop_id, 1, "EUR", {item.item_id: item for item in menu}, {})

    @classmethod
    def new(cls, skus: int) -> BusyShop:
        return cls(ShopId.new(), MerchantId.new(), {f"sku-{n}": ItemId.new() for n in range(skus)})

    @classmethod
    def load(cls, path: Path) -> BusyShop:
        told = json.loads(path.read_text())
        items = {sku: ItemId(item) for sku, item in told["items"].items()}
        return cls(ShopId(told["shop_id"]), MerchantId(told["merchant_id"]), items)

    def dump(self, path: Path) -> None:
        path.write_text(json.dumps({"shop_id": self.shop_id, "merchant_id": self.merchant_id, "items": self.items}))

    async def terms(self, shop_id: ShopId) -> ShopTerms:
        return ShopTerms(self.shop_id, self.merchant_id, "EUR", "Europe/Berlin", ALWAYS)

    async def current(self, shop_id: ShopId, *, at_least: int = 0) -> PricedMenu:
        return self._menu

    async def version(self, shop_id: ShopId, version: int) -> PricedMenu | None:
        return None

    def orders(self, db: Database) -> Orders:
        store = PostgresOrders(db, region="test")
        recipes = PostgresOrderRecipes(db, ttl_s=0.0)
        return Orders(store, self, self, recipes, PostgresPaymentStandings(db), FixedClock())


def supply(db: Database) -> Supply:
    """Supply on a real database."""
    return supply_on(db, region="test", clock=FixedClock())


class Crowd:
    """Customers of one shop."""

    def __init__(self, url: str, shop: BusyShop, seed: int) -> None:
        self.db = Database(PostgresSettings(url))
        self.shop = shop
        self.orders = shop.orders(self.db)
        self.supply = supply(self.db)
        self.chance = random.Random(seed)
        self.ended: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()

    async def customer(self, key: str) -> None:
        """Order one to four things in any order; perhaps send it twice; perhaps call it off."""
        wanted = self.chance.sample(sorted(self.shop.items), self.chance.randint(1, 4))
        lines = [LineRequest(item_id=self.shop.items[sku], quantity=self.chance.randint(1, 3)) for sku in wanted]
        command = PlaceOrder(shop_id=self.shop.shop_id, lines=tuple(lines))
        by, twice, fickle = customer(key), self.chance.random() < 0.2, self.chance.random() < 0.3
        said = await asyncio.gather(*(self._order(command, by) for _ in range(2 if twice else 1)))
        placed = [reply for reply in said if reply is not None]
        if not placed:
            return
        order_id = OrderId(placed[0].view.order_id)
        if fickle:
            await self._cancel(order_id, by)
            return
        self.taken.update({str(line.sku): line.quantity for line in placed[0].view.lines})

    async def _order(self, command: PlaceOrder, by: By) -> Reply[OrderView] | None:
        try:
            reply = await create_order(command, by=by, using=self.orders)
        except (SoldOut, AlreadyAnswered, Transient) as refused:
            self.ended[type(refused).__name__] += 1
            return None
        self.ended["placed"] += 1
        return reply

    async def _cancel(self, order_id: OrderId, by: By) -> None:
        assert isinstance(by.once, Claim)
        by = replace(by, once=replace(by.once, route=f"POST /v1/orders/{order_id}/cancel"))
        await cancel_order(order_id, CancelOrder(), if_match=1, by=by, using=self.orders)
        told = By("release_stock", once=Taking("release_stock", EventId.new()))
        outcomes = await asyncio.gather(
            *(release_stock(order_id, by=told, using=self.supply) for _ in range(2)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} <= {type(None), AlreadyTaken}, outcomes
        self.ended["cancelled"] += 1


async def main(url: str, shop: Path, seed: int, customers: int) -> None:
    """Let the crowd in, all at once."""
    crowd = Crowd(url, BusyShop.load(shop), seed)
    await asyncio.gather(*(crowd.customer(f"{seed}-{number}") for number in range(customers)))
    crowd.db.close()
    sys.stdout.write(json.dumps({"ended": crowd.ended, "taken": crowd.taken}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
