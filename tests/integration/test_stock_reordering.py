"""Reorder points on a real Postgres: who runs low is told once a crossing, whatever comes twice, late or at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from shared.adapters.postgres.database import Sql
from shared.kernel.clock import rfc3339
from shared.kernel.decision import By, Role
from shared.kernel.errors import Forbidden, Invalid, NotFound, Transient
from shared.kernel.facts import fact_of
from shared.kernel.ids import KeyId, MerchantId
from shared.orders.ports import SoldOut
from shared.supply.adjust_stock import adjust_stock
from shared.supply.alert_low_stock import StockNews, alert_low_stock
from shared.supply.consume_stock import consume_stock
from shared.supply.get_stock import get_stock
from shared.supply.item_model import ReorderPointView, SetReorderPoint, SetSkuAvailability
from shared.supply.model import AdjustStock, GetStock
from shared.supply.reordering import item_id_of
from shared.supply.set_reorder_point import set_reorder_point
from shared.supply.set_sku_availability import set_sku_availability
from tests.integration.ordering import FixedClock
from tests.integration.shopkeeping import keyed, woken
from tests.integration.stockkeeping import Counter, Interrupted
from tests.waiting import until

SKU = "flat-white"
MOVES = Sql(
    "select type, body from events where type in ('supply.stock_received.v1', 'supply.stock_adjusted.v1',"
    " 'supply.stock_consumed.v1', 'supply.reorder_point_set.v1') order by id"
)
TOLD = Sql("select type from events where stream = :id and type <> 'supply.reorder_point_set.v1' order by version")
TAKEN = Sql("select count(*) from inbox where operation = 'alert_low_stock'")


@pytest.fixture
async def counter(database: str) -> Counter:
    counter = Counter(database)
    await counter.open()
    return counter


async def pointed(counter: Counter, reorder_point: int | None, by: By | None = None) -> ReorderPointView:
    command = SetReorderPoint(sku=SKU, reorder_point=reorder_point)
    by = by or keyed(counter.manager)
    return (await set_reorder_point(counter.shop_id, command, by=by, using=counter.supply)).view


async def used(counter: Counter, quantity: int) -> None:
    command = AdjustStock.model_validate({"reason": "waste", "lines": [{"sku": SKU, "delta": -quantity}]})
    await adjust_stock(counter.shop_id, command, by=keyed(counter.manager), using=counter.supply)


async def news(counter: Counter) -> Sequence[StockNews]:
    """Return every fact that wakes alert_low_stock, so far."""
    return [fact_of(type_, body) for type_, body in await counter.db.run(MOVES)]  # type: ignore[misc]  # as selected


async def woke(counter: Counter, fact: StockNews) -> None:
    """Deliver a fact, as the dispatcher does: again where it came to nothing."""
    for _ in range(20):
        with suppress(Transient):
            return await alert_low_stock(fact, by=woken("alert_low_stock"), using=counter.supply)
    raise AssertionError("it is never taken")


async def told(counter: Counter) -> list[str]:
    """Return what was told of the SKU, in order: low, replenished."""
    rows = await counter.db.run(TOLD, id=item_id_of(counter.shop_id, SKU))
    return [str(type_).split("_")[1].removesuffix(".v1") for (type_,) in rows]


async def test_a_crossing_is_told_once_however_much_is_used_and_however_often_it_is_heard(counter: Counter) -> None:
    await counter.received({SKU: 10})
    assert (await pointed(counter, 5)).low is False
    for _ in range(3):
        await used(counter, 2)
        for fact in (await news(counter))[-2:]:
            await woke(counter, fact)
    assert await told(counter) == ["low"]
    await counter.received({SKU: 20})
    await woke(counter, (await news(counter))[0])  # any of them: what counts is what there is
    await used(counter, 20)
    for fact in await news(counter):
        await woke(counter, fact)
    assert await told(counter) == ["low", "replenished", "low"]
    assert counter.stock_differences() == []


async def test_a_reorder_point_above_what_there_is_is_told_at_once_and_one_taken_back_ends_it(counter: Counter) -> None:
    await counter.received({SKU: 10})
    assert (await pointed(counter, 10)).low is True
    await woke(counter, (await news(counter))[-1])
    shown = (await get_stock(GetStock(shop_id=counter.shop_id), by=counter.manager, using=counter.supply)).view
    assert [(level.sku, level.reorder_point) for level in shown.levels] == [(SKU, 10)]
    await pointed(counter, None)
    await woke(counter, (await news(counter))[-1])
    assert await told(counter) == ["low", "replenished"]
    await used(counter, 10)
    await woke(counter, (await news(counter))[-1])
    assert await told(counter) == ["low", "replenished"]
    assert counter.stock_differences() == []


async def test_orders_that_only_hold_stock_tell_nobody(counter: Counter) -> None:
    await counter.received({SKU: 10})
    await pointed(counter, 5)
    await counter.ordered(10)
    for fact in await news(counter):
        await woke(counter, fact)
    assert await told(counter) == []
    assert (await counter.db.run(TAKEN))[0][0] == 2


async def test_what_is_no_longer_low_when_it_would_be_told_is_not_told(counter: Counter) -> None:
    await counter.received({SKU: 10})
    await pointed(counter, 5)
    await used(counter, 6)
    shelves = Interrupted(counter.supply.shelves, lambda: counter.received({SKU: 20}))
    used_up = (await news(counter))[-1]
    await alert_low_stock(used_up, by=woken("alert_low_stock"), using=replace(counter.supply, shelves=shelves))
    assert shelves.looks == 2
    assert await told(counter) == []
    await woke(counter, used_up)
    assert await told(counter) == []


async def test_many_at_once_tell_each_crossing_once_and_end_with_what_is_true(counter: Counter) -> None:
    await counter.received({SKU: 12})
    await pointed(counter, 6)

    async def moved(number: int) -> None:
        await (used(counter, 1) if number % 3 else counter.received({SKU: 1}))
        await asyncio.gather(*(woke(counter, fact) for fact in (await news(counter))[-2:]))

    await asyncio.gather(*(moved(number) for number in range(24)))
    for fact in (await news(counter))[-1:]:
        await woke(counter, fact)
    (level,) = (await counter.supply.shelves.of(counter.shop_id, [SKU])).values()
    item = await counter.supply.items.load(item_id_of(counter.shop_id, SKU))
    assert item is not None
    assert (level.on_hand, item.state.low) == (4, True)
    heard = await told(counter)
    assert heard == [("low", "replenished")[n % 2] for n in range(len(heard))]
    assert counter.stock_differences() == []


async def test_a_reorder_point_is_set_by_owner_or_manager_for_what_was_ever_in_stock(counter: Counter) -> None:
    with pytest.raises(NotFound):
        await pointed(counter, 5)
    await counter.received({SKU: 10})
    with pytest.raises(Forbidden):
        await pointed(counter, 5, keyed(By(KeyId.new(), frozenset({Role.BARISTA}), counter.merchant_id)))
    by = keyed(counter.manager, "same")
    assert await pointed(counter, 5, by) == ReorderPointView(
        shop_id=counter.shop_id, sku=SKU, reorder_point=5, low=False
    )


async def marked(counter: Counter, sold_out: bool, back_at: datetime | None = None, by: By | None = None) -> None:
    command = SetSkuAvailability(sku=SKU, sold_out=sold_out, until=back_at)
    using = replace(counter.supply, clock=FixedClock(datetime.now(UTC)))
    await set_sku_availability(counter.shop_id, command, by=by or keyed(counter.manager), using=using)


async def test_a_sku_marked_as_sold_out_is_not_ordered_until_its_time_or_the_word(counter: Counter) -> None:
    await counter.received({SKU: 10})
    before = await counter.ordered(2)
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    await marked(counter, True, later)
    with pytest.raises(SoldOut) as refused:
        await counter.ordered()
    assert refused.value.fields == {"sku": SKU, "available": 0, "until": rfc3339(later)}
    (level,) = (await counter.supply.shelves.of(counter.shop_id, [SKU])).values()
    assert (level.free, level.sold_out, level.until) == (8, True, later)
    assert counter.stock_differences() == []
    await marked(counter, True)
    with pytest.raises(SoldOut) as refused:
        await counter.ordered()
    assert "until" not in refused.value.fields
    await counter.begun(before)
    await consume_stock(before, by=woken("consume_stock"), using=counter.supply)
    await pointed(counter, 9)  # what is said of it otherwise leaves the mark as it is
    assert counter.stock_differences() == []
    await marked(counter, False)
    await counter.ordered(8)
    soon = datetime.now(UTC) + timedelta(seconds=0.3)
    await counter.received({SKU: 1})
    await marked(counter, True, soon)
    assert counter.stock_differences() == []

    async def again() -> bool:
        try:
            await counter.ordered()
        except SoldOut:
            return False
        return True

    await until(again, "it is there again by itself")
    assert counter.stock_differences() == []


async def test_a_mark_that_makes_no_sense_or_comes_from_elsewhere_is_refused(counter: Counter) -> None:
    with pytest.raises(NotFound):
        await marked(counter, True)
    await counter.received({SKU: 1})
    await marked(counter, True, by=keyed(By(KeyId.new(), frozenset({Role.BARISTA}), counter.merchant_id)))
    with pytest.raises(NotFound):
        await marked(counter, False, by=keyed(By(KeyId.new(), frozenset({Role.OWNER}), MerchantId.new())))
    now = datetime.now(UTC)
    for when in (now - timedelta(seconds=1), now + timedelta(days=400)):
        with pytest.raises(Invalid):
            await marked(counter, True, when)
    with pytest.raises(ValidationError):
        SetSkuAvailability(sku=SKU, sold_out=False, until=now)
