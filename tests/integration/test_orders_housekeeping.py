"""What the clock makes of orders and keys: some end, some are forgotten, and one that can't keeps no other from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.adapters.postgres.database import Sql
from shared.adapters.postgres.stored_replies import PostgresStoredReplies
from shared.kernel.decision import AlreadyAnswered, By
from shared.orders import forget_keys as forgetting
from shared.orders.create_order import create_order
from shared.orders.expire_unpaid_orders import expire_unpaid_orders
from shared.orders.forget_keys import forget_keys
from tests.integration.ordering import FixedClock, Ordering, customer

AGE = Sql("update idempotency set expires_at = clock_timestamp() - interval '1 second' where key < :before returning 1")
KEYS = Sql("select key from idempotency order by key")
SPOIL = Sql("update orders set lines = '\"no lines\"' where order_id = :order_id")
LATE = Sql("update orders set pay_by = clock_timestamp() - interval '2 minutes'")
STATUSES = Sql("select order_id, status from orders")
PLAN = Sql("explain select from idempotency where expires_at < clock_timestamp() order by expires_at limit 10")
TICK = By("expire_unpaid_orders")


@pytest.fixture
async def shop(database: str) -> Ordering:
    shop = Ordering(database)
    shop.orders = replace(shop.orders, clock=FixedClock(datetime.now(UTC)))  # the database asks the machine's clock
    await shop.stocked(100)
    return shop


async def test_keys_are_forgotten_when_their_time_is_over_and_not_before(
    shop: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 3)
    bys = [customer(f"k{n}") for n in range(10)]
    for by in bys:
        await create_order(shop.wanted(), by=by, using=shop.orders)
    replies = PostgresStoredReplies(shop.db)
    assert await forget_keys(using=replies) == 0
    await shop.db.run(AGE, before="k7")
    assert await forget_keys(using=replies) == 7
    assert [row[0] for row in await shop.db.run(KEYS)] == ["k7", "k8", "k9"]
    with pytest.raises(AlreadyAnswered):
        await create_order(shop.wanted(), by=bys[8], using=shop.orders)
    assert (await create_order(shop.wanted(), by=bys[0], using=shop.orders)).status == 201


async def test_one_tick_forgets_no_more_than_it_may(shop: Ordering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 2)
    monkeypatch.setattr(forgetting, "BATCHES", 2)
    for n in range(5):
        await create_order(shop.wanted(), by=customer(f"k{n}"), using=shop.orders)
    await shop.db.run(AGE, before="z")
    assert await forget_keys(using=PostgresStoredReplies(shop.db)) == 4


async def test_what_is_over_is_found_by_its_time(shop: Ordering) -> None:
    assert any("idempotency_by_expiry" in row[0] for row in await shop.db.run(PLAN))


async def test_an_order_that_cannot_be_expired_keeps_no_other_from_it(shop: Ordering) -> None:
    placed = [(await create_order(shop.wanted(), by=customer(f"k{n}"), using=shop.orders)).view for n in range(4)]
    await shop.db.run(LATE)
    await shop.db.run(SPOIL, order_id=placed[1].order_id)
    with pytest.raises(ValueError, match="lines"):
        await expire_unpaid_orders(by=TICK, using=shop.orders)
    statuses = {row[0]: row[1] for row in await shop.db.run(STATUSES)}
    spoilt = placed[1].order_id
    assert {order_id: status for order_id, status in statuses.items() if order_id != spoilt} == dict.fromkeys(
        (one.order_id for one in placed if one.order_id != spoilt), "expired"
    )
    assert statuses[spoilt] == "pending"
