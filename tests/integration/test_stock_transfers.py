"""Transfers between two locations of a merchant, on a real Postgres: both ledgers or neither, and no deadlock."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from pydantic import ValidationError

from shared.adapters.postgres.database import Connection, Sql
from shared.kernel.decision import By, Role
from shared.kernel.errors import Forbidden, Invalid, NotFound
from shared.kernel.ids import KeyId, MerchantId, ShopId
from shared.settings import PostgresSettings
from shared.supply.lifecycle import UnitMismatch
from shared.supply.model import ReceiveStock, TransferStock, TransferView
from shared.supply.receive_stock import receive_stock
from shared.supply.stocktaking import NotEnoughStock
from shared.supply.transfer_stock import transfer_stock
from tests.integration.shopkeeping import keyed
from tests.integration.stockkeeping import LAY_SHOP, Counter

SKU = "flat-white"
LEDGER = Sql(
    "select shop_id, reason, delta, on_hand, event_id from stock_movements where reason like 'transferred%'"
    " order by entry"
)
DEADLOCKS = "select deadlocks from pg_stat_database where datname = current_database()"


@pytest.fixture
async def counter(database: str) -> Counter:
    counter = Counter(database)
    await counter.open()
    return counter


async def another(counter: Counter, merchant_id: MerchantId | None = None) -> ShopId:
    """Open another shop and return its id."""
    shop_id = ShopId.new()
    await counter.db.run(LAY_SHOP, shop_id=shop_id, merchant_id=merchant_id or counter.merchant_id)
    return shop_id


async def sent(
    counter: Counter,
    there: ShopId,
    portions: dict[str, int],
    *,
    here: ShopId | None = None,
    by: By | None = None,
    unit: str | None = None,
) -> TransferView:
    lines = [{"sku": sku, "quantity": quantity, "unit": unit} for sku, quantity in portions.items()]
    command = TransferStock.model_validate({"to_shop_id": there, "lines": lines})
    by = by or keyed(counter.manager)
    return (await transfer_stock(here or counter.shop_id, command, by=by, using=counter.supply)).view


async def on_hand(counter: Counter, shop_id: ShopId, sku: str = SKU) -> int:
    found = await counter.supply.shelves.of(shop_id, [sku])
    return found[sku].on_hand if sku in found else 0


async def test_goods_leave_one_ledger_and_enter_the_other_in_one_commit(counter: Counter) -> None:
    there = await another(counter)
    await counter.received({SKU: 10, "cups": 4})
    view = await sent(counter, there, {SKU: 3, "cups": 4})
    assert (view.from_shop_id, view.to_shop_id) == (counter.shop_id, there)
    assert [await on_hand(counter, shop_id) for shop_id in (counter.shop_id, there)] == [7, 3]
    moved = await counter.db.run(LEDGER)
    assert sorted((str(shop_id), reason, delta, balance) for shop_id, reason, delta, balance, _ in moved) == sorted(
        [
            (counter.shop_id, "transferred_out", -3, 7),
            (counter.shop_id, "transferred_out", -4, 0),
            (there, "transferred_in", 3, 3),
            (there, "transferred_in", 4, 4),
        ]
    )
    assert len({row[4] for row in moved}) == 1
    assert counter.stock_differences() == []


async def test_what_is_not_there_or_is_held_by_orders_does_not_go(counter: Counter) -> None:
    there = await another(counter)
    await counter.received({SKU: 10, "cups": 9})
    await counter.ordered(4)
    for portions in ({SKU: 7}, {"cups": 1, SKU: 7}, {"never-seen": 1}):
        with pytest.raises(NotEnoughStock):
            await sent(counter, there, portions)
    await sent(counter, there, {SKU: 6})
    assert [await on_hand(counter, there, sku) for sku in (SKU, "cups")] == [6, 0]
    assert counter.stock_differences() == []


async def test_goods_go_only_between_shops_of_one_merchant_by_who_works_at_both(counter: Counter) -> None:
    there, elsewhere = await another(counter), await another(counter, MerchantId.new())
    await counter.received({SKU: 10})
    for shop_id in (elsewhere, ShopId.new()):
        with pytest.raises(NotFound):
            await sent(counter, shop_id, {SKU: 1})
    with pytest.raises(Invalid):
        await sent(counter, counter.shop_id, {SKU: 1})
    bound = replace(counter.manager, shop_ids=frozenset({counter.shop_id}))
    with pytest.raises(Forbidden):
        await sent(counter, there, {SKU: 1}, by=keyed(bound))
    with pytest.raises(Forbidden):
        await sent(counter, there, {SKU: 1}, by=keyed(By(KeyId.new(), frozenset({Role.BARISTA}), counter.merchant_id)))
    with pytest.raises(NotFound):
        await sent(counter, there, {SKU: 1}, by=keyed(By(KeyId.new(), frozenset({Role.OWNER}), MerchantId.new())))
    with pytest.raises(ValidationError):
        TransferStock.model_validate({"to_shop_id": there, "lines": [{"sku": SKU, "quantity": 1}] * 2})
    assert await on_hand(counter, there) == 0


async def test_a_sku_is_counted_in_the_same_unit_at_both_ends(counter: Counter) -> None:
    there = await another(counter)
    for shop_id, unit in ((counter.shop_id, "kg"), (there, "l")):
        command = ReceiveStock.model_validate({"lines": [{"sku": "syrup", "quantity": 2, "unit": unit}]})
        await receive_stock(shop_id, command, by=keyed(counter.manager), using=counter.supply)
    with pytest.raises(UnitMismatch):
        await sent(counter, there, {"syrup": 1})
    third = await another(counter)
    await sent(counter, third, {"syrup": 1}, unit="kg")
    assert await on_hand(counter, third, "syrup") == 1000
    assert counter.stock_differences() == []


async def test_transfers_both_ways_at_once_neither_wait_in_a_circle_nor_make_or_lose_anything(
    counter: Counter,
) -> None:
    there = await another(counter)
    skus = [f"sku-{n}" for n in range(6)]
    await counter.received(dict.fromkeys(skus, 20))
    await sent(counter, there, dict.fromkeys(skus, 10))
    told = await asyncio.gather(
        *(
            sent(
                counter,
                counter.shop_id if n % 2 else there,
                dict.fromkeys(skus if n % 3 else skus[::-1], 2),
                here=there if n % 2 else counter.shop_id,
            )
            for n in range(24)
        ),
        *(sent(counter, there, {SKU: 1}) for _ in range(3)),
        return_exceptions=True,
    )
    assert {type(one) for one in told} <= {TransferView, NotEnoughStock}
    for sku in skus:
        assert await on_hand(counter, counter.shop_id, sku) + await on_hand(counter, there, sku) == 20
    assert counter.stock_differences() == []
    assert Connection(PostgresSettings(counter.url)).execute(DEADLOCKS)[0][0] == 0
