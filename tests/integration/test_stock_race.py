"""Customers in processes of their own, and staff who deliver, throw away, count, send and change recipes meanwhile."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from itertools import count
from pathlib import Path

from shared.adapters.postgres.database import Connection, Database
from shared.adapters.postgres.replay import replay
from shared.kernel.decision import By, Role
from shared.kernel.encoding import to_json
from shared.kernel.errors import VersionConflict
from shared.kernel.ids import KeyId, ShopId
from shared.settings import PostgresSettings
from shared.supply.adjust_stock import adjust_stock
from shared.supply.model import AdjustStock, PutRecipe, ReceiveStock, TransferStock
from shared.supply.ports import Supply
from shared.supply.put_recipe import put_recipe
from shared.supply.receive_stock import receive_stock
from shared.supply.stocktaking import NotEnoughStock, StockMoved
from shared.supply.transfer_stock import transfer_stock
from tests.integration.crowd import BusyShop, supply
from tests.integration.shopkeeping import keyed
from tests.integration.stockkeeping import LAY_MENU, LAY_SHOP

REFUSED = (NotEnoughStock, StockMoved, VersionConflict)
TOO_MUCH = "select count(*) from stock where reserved > on_hand or reserved < 0"
DEADLOCKS = "select deadlocks from pg_stat_database where datname = current_database()"
LEDGER = (
    "select count(*) from stock s where s.on_hand <>"
    " (select coalesce(sum(delta), 0) from stock_movements m where m.shop_id = s.shop_id and m.sku = s.sku)"
)


class Staff:
    """Who moves goods at two shops while customers order at the first."""

    def __init__(self, using: Supply, shop: BusyShop, other: ShopId, seed: int) -> None:
        self.using, self.shop, self.other = using, shop, other
        self.chance = random.Random(seed)
        self.manager = By(KeyId.new(), frozenset({Role.MANAGER}), shop.merchant_id)
        self.ended: Counter[str] = Counter()

    async def work(self, closing: asyncio.Event) -> None:
        """Do one thing after the other, each at least once, until the shop closes."""
        deeds = (self._receive, self._waste, self._count, self._send, self._recipe)
        for number in count():
            if closing.is_set() and number >= len(deeds):
                return
            deed = deeds[number % len(deeds)]
            try:
                await deed(self.chance.choice(sorted(self.shop.items)))
            except REFUSED as refused:
                self.ended[type(refused).__name__] += 1
            else:
                self.ended[deed.__name__] += 1

    async def _receive(self, sku: str) -> None:
        lines = [{"sku": each, "quantity": 2} for each in self._shuffled()]
        command = ReceiveStock.model_validate({"lines": lines})
        await receive_stock(self.shop.shop_id, command, by=keyed(self.manager), using=self.using)

    def _shuffled(self) -> list[str]:
        return self.chance.sample(sorted(self.shop.items), len(self.shop.items))

    async def _waste(self, sku: str) -> None:
        lines = [{"sku": each, "delta": -1} for each in self._shuffled()]
        command = AdjustStock.model_validate({"reason": "waste", "lines": lines})
        await adjust_stock(self.shop.shop_id, command, by=keyed(self.manager), using=self.using)

    async def _count(self, sku: str) -> None:
        level = (await self.using.shelves.of(self.shop.shop_id, [sku]))[sku]
        line = {"sku": sku, "counted": level.on_hand + 1, "version": level.version}
        command = AdjustStock.model_validate({"reason": "count", "lines": [line]})
        await adjust_stock(self.shop.shop_id, command, by=keyed(self.manager), using=self.using)

    async def _send(self, sku: str) -> None:
        ways = [(self.shop.shop_id, self.other), (self.other, self.shop.shop_id)]
        here, there = ways[self.chance.random() < 0.5]
        lines = [{"sku": each, "quantity": self.chance.randint(1, 2)} for each in {sku, self._shuffled()[0]}]
        command = TransferStock.model_validate({"to_shop_id": there, "lines": lines})
        await transfer_stock(here, command, by=keyed(self.manager), using=self.using)

    async def _recipe(self, sku: str) -> None:
        takes = [
            {"sku": each, "quantity": self.chance.randint(1, 2), "unit": "piece"}
            for each in self.chance.sample(sorted(self.shop.items), 2)
        ]
        command = PutRecipe.model_validate({"product_id": self.shop.items[sku], "takes": takes})
        await put_recipe(self.shop.shop_id, command, by=keyed(self.manager), using=self.using)


async def test_customers_in_many_processes_and_staff_who_move_goods_never_oversell(
    database: str, tmp_path: Path
) -> None:
    shop, other = BusyShop.new(skus=4), ShopId.new()
    shop.dump(tmp_path / "shop.json")
    db = Database(PostgresSettings(database))
    for shop_id in (shop.shop_id, other):
        await db.run(LAY_SHOP, shop_id=shop_id, merchant_id=shop.merchant_id)
    items = to_json([{"item_id": item} for item in shop.items.values()])
    menu_id = shop.shop_id.replace("shp", "mnu")
    await db.run(
        LAY_MENU, menu_id=menu_id, shop_id=shop.shop_id, merchant_id=shop.merchant_id, items=items, groups="[]"
    )
    using, closing = supply(db), asyncio.Event()
    staff = [Staff(using, shop, other, seed) for seed in range(3)]
    opening = ReceiveStock.model_validate({"lines": [{"sku": sku, "quantity": 60} for sku in shop.items]})
    await receive_stock(shop.shop_id, opening, by=keyed(staff[0].manager), using=using)

    async def customers() -> Counter[str]:
        told = await asyncio.gather(*(_crowd(database, tmp_path / "shop.json", seed, 60) for seed in range(2)))
        closing.set()
        return sum(told, Counter())

    working = asyncio.gather(*(one.work(closing) for one in staff))
    ended = await customers()
    await working
    assert ended["placed"] > 5
    assert ended["SoldOut"] > 0
    worked: Counter[str] = sum((one.ended for one in staff), Counter())
    assert {"_receive", "_waste", "_count", "_send", "_recipe"} <= set(worked)
    admin = Connection(PostgresSettings(database))
    assert [admin.execute(wrong)[0][0] for wrong in (TOO_MUCH, LEDGER, DEADLOCKS)] == [0, 0, 0]
    assert [line for line in replay(admin).differences if not line.startswith(("shops", "menus"))] == []
    db.close()


async def _crowd(url: str, shop: Path, seed: int, customers: int) -> Counter[str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.crowd", url, str(shop), str(seed), str(customers)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-2000:]
    return Counter(json.loads(out)["ended"])
