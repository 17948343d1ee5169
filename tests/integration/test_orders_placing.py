"""Placing orders on a real Postgres: once per key, never more than there is, nothing half done."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from shared.adapters.postgres.database import Sql
from shared.kernel.decision import AlreadyAnswered
from shared.kernel.errors import KeyReused
from shared.kernel.facts import GENESIS
from shared.kernel.ids import UserId
from shared.orders.create_order import create_order
from shared.orders.ports import SoldOut
from tests.integration.ordering import Ordering, again, customer

COUNTS = Sql(
    "select (select count(*) from orders), (select count(*) from events), (select count(*) from outbox),"
    " (select count(*) from idempotency), (select count(*) from stock_holds)"
)


async def test_an_order_its_stock_its_fact_and_its_reply_are_one_commit(database: str) -> None:
    shop = Ordering(database)
    await shop.stocked(5)
    reply = await create_order(shop.wanted(2), by=customer("a"), using=shop.orders)
    assert reply.status == 201
    assert reply.view.total.units == 840
    assert await shop.counters() == (5, 2)
    assert [*(await shop.db.run(COUNTS))[0]] == [1, 1, 1, 1, 1]
    stored = await shop.store.load(reply.view.order_id)
    assert stored is not None
    assert stored.version == 1
    assert stored.head != GENESIS
    assert stored.state.status == "pending"


async def test_a_refused_order_leaves_nothing_behind(database: str) -> None:
    shop = Ordering(database)
    await shop.stocked(1)
    with pytest.raises(SoldOut) as refused:
        await create_order(shop.wanted(2), by=customer("a"), using=shop.orders)
    assert refused.value.fields == {"sku": "flat-white", "available": 1}
    assert [*(await shop.db.run(COUNTS))[0]] == [0, 0, 0, 0, 0]
    assert await shop.counters() == (1, 0)


async def test_the_same_key_sent_fifty_times_at_once_makes_one_order(database: str) -> None:
    shop = Ordering(database)
    await shop.stocked(50)
    by = customer("same")

    async def send() -> bytes:
        try:
            return (await create_order(shop.wanted(), by=by, using=shop.orders)).body
        except AlreadyAnswered as before:
            return before.reply.body

    replies = await asyncio.gather(*(send() for _ in range(50)))
    assert len(set(replies)) == 1
    assert await shop.counters() == (50, 1)
    assert [*(await shop.db.run(COUNTS))[0]] == [1, 1, 1, 1, 1]


async def test_a_reused_key_with_another_body_is_refused(database: str) -> None:
    shop = Ordering(database)
    await shop.stocked(5)
    who = UserId.new()
    await create_order(shop.wanted(), by=customer("k", b"one", who), using=shop.orders)
    with pytest.raises(KeyReused):
        await create_order(shop.wanted(2), by=customer("k", b"two", who), using=shop.orders)
    assert await shop.counters() == (5, 1)


async def test_two_hundred_customers_racing_for_twenty_portions_make_twenty_orders(database: str) -> None:
    shop = Ordering(database)
    await shop.stocked(20)

    async def send(number: int) -> str:
        try:
            await create_order(shop.wanted(), by=customer(f"k{number}"), using=shop.orders)
        except SoldOut:
            return "sold out"
        return "placed"

    outcomes = Counter(await asyncio.gather(*(send(number) for number in range(200))))
    assert outcomes == {"placed": 20, "sold out": 180}
    assert await shop.counters() == (20, 20)
    assert [*(await shop.db.run(COUNTS))[0]] == [20, 20, 20, 20, 20]


async def test_one_customers_second_key_makes_a_second_order(database: str) -> None:
    shop = Ordering(database)
    await shop.stocked(5)
    by = customer("first")
    one = await create_order(shop.wanted(), by=by, using=shop.orders)
    two = await create_order(shop.wanted(), by=again(by, "second"), using=shop.orders)
    assert one.view.order_id != two.view.order_id
    page, after = await shop.store.of_customer(UserId(by.actor), before=None, limit=1)
    assert ([found.state.order_id for found in page], after) == ([two.view.order_id], two.view.order_id)
    page, after = await shop.store.of_customer(UserId(by.actor), before=after, limit=1)
    assert ([found.state.order_id for found in page], after) == ([one.view.order_id], None)
