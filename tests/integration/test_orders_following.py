"""follow_order on a real Postgres: each change is told, to whoever may see the order, for one query among all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

import pytest

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.live_versions import PostgresLiveVersions
from shared.adapters.postgres.orders import TABLE
from shared.adapters.postgres.store import StateStore
from shared.edge.answer import Message
from shared.edge.stream import StreamedAnswer
from shared.kernel.decision import By, Role
from shared.kernel.errors import NotFound, TooMany, Transient
from shared.kernel.ids import KeyId, MerchantId, OrderId, ShopId, UserId
from shared.kernel.reply import Reply, Streamed
from shared.orders.follow_order import Following, follow_order
from shared.orders.live_feed import MOST_EACH, LiveFeed
from shared.orders.model import LiveOrder
from shared.settings import PostgresSettings
from tests.integration.shops_rows import a_shop, an_order, stands
from tests.waiting import until


class Counting(PostgresLiveVersions):
    """Counts what is asked, and fails when told to."""

    questions = 0
    reads = 0
    down = False

    async def versions(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, int]:
        self.questions += 1
        if self.down:
            raise Transient("The database does not answer.")
        return await super().versions(order_ids)

    async def live(self, order_id: OrderId) -> LiveOrder | None:
        self.reads += 1
        return await super().live(order_id)


class Cafe:
    """A shop, a customer, and whoever follows their orders."""

    def __init__(self, url: str) -> None:
        self.db = Database(PostgresSettings(url, connections=4))
        self.merchant, self.customer = MerchantId.new(), UserId.new()
        self.reads = Counting(self.db)
        self.feed = LiveFeed(self.reads, pause_s=0.02)
        self.using = Following(StateStore(self.db, TABLE, region="test"), self.reads, self.feed)
        self.shop = ShopId.new()

    async def order(self, status: str = "confirmed") -> OrderId:
        return await an_order(self.db, self.shop, self.merchant, self.customer, status)

    def by(self, actor: str | None = None, **more: MerchantId | frozenset[Role]) -> By:
        return By(actor or self.customer, **{"roles": frozenset({Role.CUSTOMER}), **more})  # type: ignore[arg-type]  # of two kinds

    async def follow(
        self,
        order_id: OrderId,
        *,
        last_id: str | None = None,
        stays: bool = True,
        end_s: float = 20.0,
        by: By | None = None,
    ) -> Reply[bytes]:
        return await follow_order(
            order_id, last_id=last_id, stays=stays, by=by or self.by(), using=self.using, end_s=end_s
        )


@pytest.fixture
async def cafe(database: str) -> AsyncIterator[Cafe]:
    cafe = Cafe(database)
    cafe.shop = await a_shop(cafe.db, cafe.merchant)
    yield cafe
    await until(lambda: cafe.feed.open == 0, "every stream has ended")
    cafe.db.close()


def chunks_of(reply: Reply[bytes]) -> AsyncGenerator[bytes, None]:
    assert isinstance(reply, Streamed)
    assert reply.headers["content-type"] == "text/event-stream"
    return reply.chunks


async def told(chunks: AsyncGenerator[bytes, None]) -> tuple[str, str]:
    """Return the id and the status of the next event."""
    async with asyncio.timeout(10):
        while not (chunk := await anext(chunks)).startswith(b"id: "):
            continue
    lines = dict(line.split(": ", 1) for line in chunk.decode().strip().splitlines())
    assert lines["event"] == "order"
    return lines["id"], json.loads(lines["data"])["status"]


async def test_each_change_is_told_until_the_order_is_over(cafe: Cafe) -> None:
    order_id = await cafe.order()
    chunks = chunks_of(await cafe.follow(order_id))
    assert await anext(chunks) == b"retry: 2000\n\n"
    assert await told(chunks) == ("1-1", "confirmed")
    for version, status in ((2, "preparing"), (3, "ready"), (4, "completed")):
        waiting = asyncio.create_task(told(chunks))
        await until(lambda: cafe.feed.open == 1, "somebody waits")
        await stands(cafe.db, order_id, status)
        assert await waiting == (f"1-{version}", status)
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)
    known = await cafe.follow(order_id, last_id="1-4")
    assert (known.status, known.view) == (204, b"")


async def test_who_comes_again_gets_what_they_missed_and_nothing_they_know(cafe: Cafe) -> None:
    order_id = await cafe.order()
    await stands(cafe.db, order_id, "preparing")
    missed = chunks_of(await cafe.follow(order_id, last_id="1-1"))
    assert await told(missed) == ("1-2", "preparing")
    await missed.aclose()
    knows = chunks_of(await cafe.follow(order_id, last_id="1-2"))
    waiting = asyncio.create_task(told(knows))
    await until(lambda: cafe.feed.open == 1, "somebody waits")
    assert not waiting.done()
    await stands(cafe.db, order_id, "ready")
    assert await waiting == ("1-3", "ready")
    await knows.aclose()
    nonsense = chunks_of(await cafe.follow(order_id, last_id="' or 1=1"))
    assert await told(nonsense) == ("1-3", "ready")
    await nonsense.aclose()


async def test_many_streams_are_one_question_and_none_is_asked_for_nobody(cafe: Cafe) -> None:
    orders = [await cafe.order() for _ in range(20)]
    people = [UserId.new() for _ in range(30)]
    staff = [By(KeyId.new(), frozenset({Role.BARISTA}), cafe.merchant) for _ in people]
    streams = [chunks_of(await cafe.follow(orders[n % 20], by=staff[n // 6])) for n in range(len(staff) * 2)]
    for stream in streams:
        await told(stream)
    waiting = [asyncio.create_task(told(stream)) for stream in streams]
    await until(lambda: cafe.feed.open == 60, "all wait")
    before, reads = cafe.reads.questions, cafe.reads.reads
    await until(lambda: cafe.reads.questions >= before + 3, "questions are asked")
    assert cafe.reads.reads == reads, "nothing changed, so nothing is read"
    await stands(cafe.db, orders[0], "preparing")
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await until(lambda: sum(task.done() for task in waiting) == 3, "all who follow this order are told")
    assert {task.result() for task in done} == {("1-2", "preparing")}
    assert cafe.reads.reads <= reads + 3
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for stream in streams:
        await stream.aclose()
    assert cafe.feed.open == 0
    asked = cafe.reads.questions
    again = chunks_of(await cafe.follow(orders[1]))
    await told(again)
    await again.aclose()
    assert cafe.reads.questions <= asked + 1


async def test_a_stream_ends_after_its_time_and_beats_until_then(cafe: Cafe) -> None:
    first = await cafe.reads.live(await cafe.order())
    assert first is not None
    seen = [change async for change in cafe.feed.follow(first, "usr_1", beat_s=0.05, end_s=0.2)]
    assert 2 <= len(seen) <= 5
    assert set(seen) == {None}


async def test_without_an_open_connection_the_present_is_told_and_that_is_all(cafe: Cafe) -> None:
    chunks = chunks_of(await cafe.follow(await cafe.order(), stays=False))
    assert len([chunk async for chunk in chunks]) == 2
    assert cafe.feed.open == 0


async def test_who_may_not_see_the_order_sees_no_stream(cafe: Cafe) -> None:
    order_id = await cafe.order()
    rivals = By(KeyId.new(), frozenset({Role.OWNER}), MerchantId.new())
    for by in (cafe.by(UserId.new()), rivals):
        with pytest.raises(NotFound):
            await cafe.follow(order_id, by=by)
    with pytest.raises(NotFound):
        await cafe.follow(OrderId.new())


async def test_nobody_holds_more_streams_than_their_share(cafe: Cafe) -> None:
    order_id = await cafe.order()
    streams = [chunks_of(await cafe.follow(order_id, last_id="1-1")) for _ in range(MOST_EACH)]
    waiting = [asyncio.create_task(told(stream)) for stream in streams]
    await until(lambda: cafe.feed.open == MOST_EACH, "all are open")
    with pytest.raises(TooMany):
        await cafe.follow(order_id)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for stream in streams:
        await stream.aclose()


async def test_streams_outlive_a_database_that_does_not_answer(cafe: Cafe) -> None:
    order_id = await cafe.order()
    chunks = chunks_of(await cafe.follow(order_id))
    await told(chunks)
    cafe.reads.down = True
    waiting = asyncio.create_task(told(chunks))
    before = cafe.reads.questions
    await until(lambda: cafe.reads.questions >= before + 2, "it is asked in vain")
    await stands(cafe.db, order_id, "preparing")
    cafe.reads.down = False
    assert await waiting == ("1-2", "preparing")
    await chunks.aclose()


async def test_a_client_that_hangs_up_leaves_nothing_behind(cafe: Cafe) -> None:
    reply = await cafe.follow(await cafe.order())
    sent: list[Message] = []
    gone = asyncio.Event()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    answer = StreamedAnswer(200, [], chunks_of(reply))
    answering = asyncio.create_task(answer({"method": "GET"}, receive, send))
    await until(lambda: cafe.feed.open == 1, "it is open")
    gone.set()
    await answering
    assert cafe.feed.open == 0
    assert sent[0]["type"] == "http.response.start"
    assert sent[-1] == {"type": "http.response.body", "body": b""}
