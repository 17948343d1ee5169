"""What some operation has not taken goes out again; what is taken, parked, given up, fresh or just sent does not.

The operation is redeliver_missing.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.parking import Parking
from shared.adapters.postgres.redelivery import Redelivery, Subscription
from shared.kernel.ids import EventId, MerchantId, OrderId
from shared.settings import PostgresSettings

PLACED = "order.placed.v1"
RECORD = Sql(
    """
insert into events (stream, version, id, type, body, prev_hash, hash, merchant_id, region, actor, correlation, at)
values (:order_id, 1, :id, :type, :body::bytea, ''::bytea, ''::bytea, :merchant_id, :region,
        'usr_1', 'c-1', :at::timestamptz)
"""
)
TAKE = Sql("insert into inbox (operation, event_id) values (:operation, :event_id)")
OUTBOX = Sql("select event_id, topic, key, region, body from outbox order by seq")
EMPTY = Sql("delete from outbox")
LATER = Sql("update redeliveries set at = at - make_interval(secs => :seconds::float8)")
CURSOR = Sql("select settled_until from redelivery_cursors")


@dataclass
class World:
    """A database with some events, and the operations one and two that subscribe to them."""

    db: Database
    parking: Parking

    async def happened(self, *, ago_s: float, type_: str = PLACED, region: str = "here") -> str:
        """Record an event and return its id."""
        event_id = EventId.new()
        await self.db.run(
            RECORD,
            order_id=OrderId.new(),
            id=event_id,
            type=type_,
            body=b'{"units":"420"}',
            merchant_id=MerchantId.new(),
            region=region,
            at=datetime.now(UTC) - timedelta(seconds=ago_s),
        )
        return event_id

    async def taken(self, event_id: str, *operations: str) -> None:
        for operation in operations:
            await self.db.run(TAKE, operation=operation, event_id=event_id)

    async def sent_again(self, *, most: int = 500) -> list[str]:
        """Look once and return the ids that went into the outbox."""
        subscriptions = [
            Subscription("one", PLACED),
            Subscription("two", PLACED),
            Subscription("two", "order.ready.v1"),
        ]
        await Redelivery(self.db, subscriptions, region="here", most=most).send_again()
        rows = await self.db.run(OUTBOX)
        await self.db.run(EMPTY)
        return [str(row[0]) for row in rows]


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    db = Database(PostgresSettings(database))
    yield World(db, Parking(db))
    db.close()


async def test_an_event_that_one_of_two_operations_has_not_taken_goes_out_again(world: World) -> None:
    missing, whole = await world.happened(ago_s=60), await world.happened(ago_s=50)
    await world.taken(missing, "one")
    await world.taken(whole, "one", "two")
    assert await world.sent_again() == [missing]


async def test_it_goes_out_as_the_same_envelope_that_the_append_wrote(world: World) -> None:
    event_id = await world.happened(ago_s=60)
    subscriptions = [Subscription("one", PLACED)]
    await Redelivery(world.db, subscriptions, region="here").send_again()
    ((sent, topic, key, region, body),) = await world.db.run(OUTBOX)
    envelope = json.loads(body)
    assert (sent, topic, region) == (event_id, "order-events", "here")
    assert (envelope["id"], envelope["subject"], envelope["sequence"]) == (event_id, key, "1")
    assert envelope["data"] == {"units": "420"}


async def test_what_is_fresh_parked_elsewhere_or_nobodys_is_left_alone(world: World) -> None:
    await world.happened(ago_s=1)
    await world.happened(ago_s=60, region="elsewhere")
    await world.happened(ago_s=60, type_="order.unheard_of.v1")
    await world.happened(ago_s=60 * 60 * 24 * 15)
    parked = await world.happened(ago_s=60)
    await world.taken(parked, "one")
    await world.parking.park("two", "ord_1", parked, "order-events", b"{}", "422")
    assert await world.sent_again() == []


async def test_what_was_given_up_is_not_missing(world: World) -> None:
    event_id = await world.happened(ago_s=60)
    await world.taken(event_id, "one")
    await world.parking.park("two", "ord_1", event_id, "order-events", b"{}", "422")
    assert await world.parking.drop("two", event_id)
    assert not await world.parking.drop("two", event_id)
    assert await world.sent_again() == []


async def test_what_was_just_sent_again_has_time_and_then_ever_more_time(world: World) -> None:
    event_id = await world.happened(ago_s=60)
    assert await world.sent_again() == [event_id]
    assert await world.sent_again() == []
    await world.db.run(LATER, seconds=125)
    assert await world.sent_again() == [event_id]
    await world.db.run(LATER, seconds=125)
    assert await world.sent_again() == []
    await world.db.run(LATER, seconds=125)
    assert await world.sent_again() == [event_id]


async def test_the_oldest_go_first_and_the_rest_at_the_next_look(world: World) -> None:
    ids = [await world.happened(ago_s=100 - n) for n in range(5)]
    assert await world.sent_again(most=3) == ids[:3]
    assert await world.sent_again(most=3) == ids[3:]


async def test_the_cursor_passes_what_is_settled_and_never_what_is_missing(world: World) -> None:
    await world.sent_again()
    ((settled,),) = await world.db.run(CURSOR)
    assert timedelta(minutes=5) < datetime.now(UTC) - settled < timedelta(minutes=6)
    await world.taken(await world.happened(ago_s=3000), "one", "two")
    missing = await world.happened(ago_s=200)
    for _ in range(3):
        await world.sent_again()
    await world.db.run(LATER, seconds=10_000)
    assert await world.sent_again() == [missing]
    await world.taken(missing, "one", "two")
    await world.db.run(LATER, seconds=10_000)
    assert await world.sent_again() == []


async def test_an_event_still_in_the_outbox_is_not_put_there_twice(world: World) -> None:
    await world.happened(ago_s=60)
    subscriptions = [Subscription("one", PLACED)]
    redelivery = Redelivery(world.db, subscriptions, region="here")
    await redelivery.send_again()
    await world.db.run(LATER, seconds=10_000)
    await redelivery.send_again()
    assert len(await world.db.run(OUTBOX)) == 1
