"""Adjustments and the stock ledger on a real Postgres: each movement is a line, and lines add up to the counters."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter as Tally
from dataclasses import replace
from pathlib import Path

import pytest

from emulators.component import Running
from emulators.postgres import create_database, drop_database
from shared.adapters.postgres.database import Connection, Sql
from shared.adapters.postgres.event_rows import COLUMNS, recorded
from shared.adapters.postgres.migrate import FOLDER, migrate
from shared.adapters.postgres.stock_fold import StockFold
from shared.kernel.decision import AlreadyAnswered, By, Role
from shared.kernel.errors import Forbidden, NotFound
from shared.kernel.ids import EventId, KeyId, MerchantId, OrderId, ReceiptId, ShopId
from shared.settings import PostgresSettings
from shared.supply.adjust_stock import adjust_stock
from shared.supply.consume_stock import consume_stock
from shared.supply.facts import StockConsumed, StockLine, StockReceived
from shared.supply.list_stock_movements import list_stock_movements
from shared.supply.model import AdjustmentView, AdjustStock, ListMovements, StockLevel, StockMovement
from shared.supply.release_stock import release_stock
from shared.supply.stocktaking import NotEnoughStock, StockMoved
from tests.integration.locks import Locker
from tests.integration.shopkeeping import keyed, woken
from tests.integration.stockkeeping import Counter, Interrupted

SKU = "flat-white"
OLD_FACT = Sql(
    "insert into events (stream, version, id, type, body, prev_hash, hash, merchant_id, region, actor, correlation, at)"
    " values (:of, 1, :id, :type, :body::bytea, '', '', :merchant_id, 'test', 'me', 'c',"
    " now() + make_interval(secs => :at::int))"
)
OLD_FACTS = Sql(f"select {COLUMNS} from events order by at")
OLD_STOCK = Sql(
    "insert into stock (shop_id, sku, merchant_id, on_hand) values (:shop_id, 'flat-white', :merchant_id, 12)"
)


@pytest.fixture
async def counter(database: str) -> Counter:
    counter = Counter(database)
    await counter.open()
    return counter


async def adjusted(counter: Counter, reason: str, *lines: dict[str, object], by: By | None = None) -> AdjustmentView:
    command = AdjustStock.model_validate({"reason": reason, "lines": lines})
    reply = await adjust_stock(counter.shop_id, command, by=by or keyed(counter.manager), using=counter.supply)
    assert reply.status == 201
    return reply.view


async def level(counter: Counter, sku: str = SKU) -> StockLevel:
    return (await counter.supply.shelves.of(counter.shop_id, [sku]))[sku]


async def ledger(counter: Counter, sku: str | None = None, limit: int = 100) -> list[StockMovement]:
    """Return the whole ledger, oldest first, read by pages."""
    found: list[StockMovement] = []
    cursor = None
    while True:
        asked = ListMovements(shop_id=counter.shop_id, sku=sku, cursor=cursor, limit=limit)
        page = (await list_stock_movements(asked, by=counter.manager, using=counter.supply)).view
        found += page.movements
        if page.next is None:
            return found[::-1]
        cursor = page.next


async def test_every_movement_has_its_reason_its_order_or_person_and_the_balance_after_it(counter: Counter) -> None:
    await counter.received({SKU: 20, "cups": 5})
    order_id = await counter.ordered(3)
    await counter.begun(order_id)
    await consume_stock(order_id, by=woken("consume_stock"), using=counter.supply)
    freed = await counter.ordered(4)
    await counter.cancelled(freed)
    await release_stock(freed, by=woken("release_stock"), using=counter.supply)
    await adjusted(counter, "waste", {"sku": SKU, "delta": -2}, {"sku": "cups", "delta": -1})
    await adjusted(counter, "count", {"sku": SKU, "counted": 15, "version": 3})
    moved = [(line.version, line.reason, line.delta, line.on_hand, line.actor) for line in await ledger(counter, SKU)]
    me = counter.manager.actor
    assert moved == [
        (1, "received", 20, 20, me),
        (2, "consumed", -3, 17, "consume_stock"),
        (3, "waste", -2, 15, me),
        (4, "count", 0, 15, me),
    ]
    whole = await ledger(counter, limit=2)
    assert [line.entry for line in whole] == sorted(line.entry for line in whole)
    assert Tally(line.sku for line in whole) == {SKU: 4, "cups": 2}
    assert [line.order_id for line in whole if line.order_id] == [order_id]
    assert await level(counter) == StockLevel(sku=SKU, on_hand=15, reserved=0, free=15, version=4)
    assert counter.stock_differences() == []


async def test_a_count_holds_under_the_version_it_names_and_under_no_other(counter: Counter) -> None:
    await counter.received({SKU: 10})
    await counter.ordered(2)  # what orders hold does not move what lies on the shelf
    with pytest.raises(StockMoved):
        await adjusted(counter, "count", {"sku": SKU, "counted": 9, "version": 0})
    told = await asyncio.gather(
        *(adjusted(counter, "count", {"sku": SKU, "counted": 9 - n, "version": 1}) for n in range(6)),
        return_exceptions=True,
    )
    assert Tally(type(one) for one in told) == {AdjustmentView: 1, StockMoved: 5}
    (view,) = [one for one in told if isinstance(one, AdjustmentView)]
    assert (await level(counter)).on_hand == view.lines[0].counted
    assert counter.stock_differences() == []


async def test_a_first_count_that_waits_for_a_first_delivery_is_refused(counter: Counter) -> None:
    locker = Locker(counter.url)
    locker.hold(
        "insert into stock (shop_id, sku, merchant_id, on_hand, movements)"
        f" values ('{counter.shop_id}', '{SKU}', '{counter.merchant_id}', 5, 1)"
    )
    counting = asyncio.create_task(adjusted(counter, "count", {"sku": SKU, "counted": 3, "version": 0}))
    await locker.waiting(1)
    locker.commit()
    with pytest.raises(StockMoved):
        await counting
    assert (await level(counter)).on_hand == 5
    locker.close()


async def test_what_waits_for_goods_that_arrive_is_not_judged_by_what_there_was_before(counter: Counter) -> None:
    """An update checks constraints on the row of its snapshot first, which is not the one it waited for."""
    arriving = "update stock set on_hand = on_hand + 10, movements = movements + 1"
    locker = Locker(counter.url)
    await counter.received({SKU: 5})
    await counter.ordered(5)
    locker.hold(arriving)
    ordering = asyncio.create_task(counter.ordered(4))
    await locker.waiting(1)
    locker.commit()
    await ordering

    async def all_is_ordered_and_more_arrives() -> None:
        await counter.ordered(6)
        locker.hold(arriving)

    shelves = Interrupted(counter.supply.shelves, all_is_ordered_and_more_arrives)
    command = AdjustStock.model_validate({"reason": "waste", "lines": [{"sku": SKU, "delta": -3}]})
    using = replace(counter.supply, shelves=shelves)
    wasting = asyncio.create_task(adjust_stock(counter.shop_id, command, by=keyed(counter.manager), using=using))
    await locker.waiting(1)
    locker.commit()
    await wasting
    locker.close()
    assert shelves.looks == 1
    found = await level(counter)
    assert (found.on_hand, found.reserved) == (5 + 10 + 10 - 3, 5 + 4 + 6)


async def test_a_first_count_and_a_first_delivery_at_once_are_one_after_the_other(counter: Counter) -> None:
    for number in range(8):
        sku = f"sku-{number}"
        counted, _ = await asyncio.gather(
            adjusted(counter, "count", {"sku": sku, "counted": 3, "version": 0}),
            counter.received({sku: 5}),
            return_exceptions=True,
        )
        expected = 8 if isinstance(counted, AdjustmentView) else 5
        assert (await level(counter, sku)).on_hand == expected
    assert counter.stock_differences() == []


async def test_nothing_is_taken_below_zero_or_from_orders_even_by_many_at_once(counter: Counter) -> None:
    await counter.received({SKU: 10, "cups": 2})
    await counter.ordered(4)
    told = await asyncio.gather(
        *(adjusted(counter, "theft", {"sku": SKU, "delta": -1}) for _ in range(9)), return_exceptions=True
    )
    assert Tally(type(one) for one in told) == {AdjustmentView: 6, NotEnoughStock: 3}
    assert (await level(counter)).on_hand == 4
    with pytest.raises(NotEnoughStock):  # one line that does not hold undoes all of them
        await adjusted(counter, "waste", {"sku": "cups", "delta": -1}, {"sku": SKU, "delta": -1})
    assert (await level(counter, "cups")).on_hand == 2
    assert counter.stock_differences() == []


async def test_an_adjustment_is_noted_once_under_its_key(counter: Counter) -> None:
    await counter.received({SKU: 10})
    by = keyed(counter.manager, "same")
    told = await asyncio.gather(
        *(adjusted(counter, "waste", {"sku": SKU, "delta": -1}, by=by) for _ in range(5)), return_exceptions=True
    )
    assert {type(one) for one in told} == {AdjustmentView, AlreadyAnswered}
    assert (await level(counter)).on_hand == 9


async def test_the_ledger_is_for_the_shops_staff(counter: Counter) -> None:
    await counter.received({SKU: 1})
    asked = ListMovements(shop_id=counter.shop_id)
    barista = By(KeyId.new(), frozenset({Role.BARISTA}), counter.merchant_id)
    assert len((await list_stock_movements(asked, by=barista, using=counter.supply)).view.movements) == 1
    with pytest.raises(Forbidden):
        await adjusted(counter, "waste", {"sku": SKU, "delta": -1}, by=keyed(barista))
    stranger = By(KeyId.new(), frozenset({Role.OWNER}), MerchantId.new())
    with pytest.raises(NotFound):
        await list_stock_movements(asked, by=stranger, using=counter.supply)


async def test_all_at_once_and_the_ledger_adds_up_to_the_counters(counter: Counter) -> None:
    chance = random.Random(5)
    await counter.received({SKU: 60})

    async def made() -> None:
        order_id = await counter.ordered(1)
        await counter.begun(order_id)
        await consume_stock(order_id, by=woken("consume_stock"), using=counter.supply)

    async def wasted() -> None:
        await adjusted(counter, "waste", {"sku": SKU, "delta": -1}, {"sku": "cups", "delta": -1})

    await counter.received({"cups": 60})
    deeds = [*(made() for _ in range(20)), *(wasted() for _ in range(20)), *(counter.received({SKU: 2, "cups": 1}),)]
    chance.shuffle(deeds)
    await asyncio.gather(*deeds)
    moved = await ledger(counter, SKU)
    assert sum(line.delta for line in moved) == (await level(counter)).on_hand == 60 + 2 - 20 - 20
    assert [line.version for line in moved] == list(range(1, len(moved) + 1))
    assert counter.stock_differences() == []


async def test_a_replay_finds_a_ledger_that_was_changed_behind_its_back(counter: Counter) -> None:
    await counter.received({SKU: 10})
    await adjusted(counter, "waste", {"sku": SKU, "delta": -2})
    admin = Connection(PostgresSettings(counter.url))
    for column, wrong, right in (("reason", "'theft'", "'waste'"), ("delta", "-1", "-2"), ("on_hand", "9", "8")):
        admin.execute(f"update stock_movements set {column} = {wrong} where number = 2")
        assert counter.stock_differences() != [], column
        admin.execute(f"update stock_movements set {column} = {right} where number = 2")
        assert counter.stock_differences() == []
    admin.execute("update stock set movements = 1")
    assert counter.stock_differences() != []


async def test_what_moved_before_there_was_a_ledger_is_in_it(postgres: Running, tmp_path: Path) -> None:
    server = postgres.env["DATABASE_URL"]
    before = tmp_path / "before"
    before.mkdir()
    for file in FOLDER.glob("*.sql"):
        if file.name < "0032":
            shutil.copy(file, before)
    settings = PostgresSettings(create_database(server, "t_ledger"))
    try:
        migrate(settings, folder=before)
        admin = Connection(settings)
        shop_id, merchant_id, order_id = ShopId.new(), MerchantId.new(), OrderId.new()
        said = {"shop_id": shop_id, "merchant_id": merchant_id}
        lines = [(StockLine(sku=SKU, quantity=quantity),) for quantity in (10, 5, 3)]
        told = [
            *(StockReceived(receipt_id=ReceiptId.new(), lines=each, **said) for each in lines[:2]),
            StockConsumed(order_id=order_id, lines=lines[2], **said),
        ]
        fold = StockFold()
        for number, fact in enumerate(told):
            event_id, stream = EventId.new(), f"rcv_{number}"
            params = {"id": event_id, "of": stream, "type": fact.type, "body": fact.canonical, "at": number}
            admin.run(OLD_FACT, {**params, "merchant_id": merchant_id})
        admin.run(OLD_STOCK, {"shop_id": shop_id, "merchant_id": merchant_id})
        migrate(settings)
        for row in admin.run(OLD_FACTS, {}):
            fold.add(recorded(row))
        differences = list(fold.differences(admin))
        # The order that took what was used is not told here: its reservation alone is missing.
        assert differences == [f"stock of {SKU} in {shop_id}: (12, 0) in the table, (12, -3) by its facts"]
        rows = admin.execute("select number, reason, delta, on_hand, order_id from stock_movements order by entry")
        assert [list(row) for row in rows] == [
            [1, "received", 10, 10, None],
            [2, "received", 5, 15, None],
            [3, "consumed", -3, 12, order_id],
        ]
        admin.close()
    finally:
        drop_database(server, "t_ledger")
