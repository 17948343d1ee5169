"""The dispatcher on the real Kafka and Postgres, calling over HTTP: order, retries, parking, crashes, back pressure."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from starlette.responses import Response

from emulators.component import Running
from shared.adapters.kafka.producer import KafkaProducer, Record
from shared.adapters.kafka.topics import DEAD_LETTERS, ensure_topics
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.parking import Parking
from shared.kernel.envelope import routed
from shared.kernel.ids import EventId
from shared.settings import KafkaSettings, PostgresSettings
from tests.integration.function_server import Called, FunctionServer, done, problem
from tests.waiting import until
from triggers.calling import Caller
from triggers.delivery import Pace
from triggers.dispatcher import Dispatcher
from triggers.redrive import Redrive
from triggers.registry import Entry

QUICK = Pace(first_pause_s=0.02, longest_pause_s=0.1)
CHILD = """
import asyncio, sys
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.parking import Parking
from shared.settings import KafkaSettings, PostgresSettings
from triggers.calling import Caller
from triggers.dispatcher import Dispatcher
from triggers.registry import Entry

bootstrap, database, url, operation, type_ = sys.argv[1:]

async def run():
    caller = Caller(lambda name: f"{url}/{name}", lambda: "token")
    parking = Parking(Database(PostgresSettings(database)))
    entry = Entry(operation, "tests", "event", on=(type_,))
    await Dispatcher([entry], KafkaSettings(bootstrap), functions=caller, parking=parking).run(asyncio.Event())

asyncio.run(run())
"""


@dataclass(frozen=True)
class World:
    """Everything a test of the dispatcher touches; the prefix is its own, so are topic and groups."""

    prefix: str
    kafka: KafkaSettings
    database: str
    parking: Parking
    caller: Caller
    server: FunctionServer
    admin: AdminClient

    @property
    def type(self) -> str:
        return f"{self.prefix}.counted.v1"

    @property
    def topic(self) -> str:
        return f"{self.prefix}-events"

    def entry(self, operation: str) -> Entry:
        return Entry(operation, self.prefix, "event", on=(self.type,))

    def produce(self, facts: Sequence[tuple[str, int]], *, type_: str = "") -> None:
        """Put (key, number) facts on the topic, in order."""
        producer = KafkaProducer(self.kafka)
        records = [Record(self.topic, key, envelope(key, number, type_ or self.type)) for key, number in facts]
        producer.deliver(records, deadline_s=10)
        producer.close()

    @asynccontextmanager
    async def dispatching(self, *operations: str, pace: Pace = QUICK) -> AsyncIterator[None]:
        """Dispatch for the length of the block and leave in order."""
        stop = asyncio.Event()
        entries = [self.entry(operation) for operation in operations or ("count",)]
        dispatcher = Dispatcher(entries, self.kafka, functions=self.caller, parking=self.parking, pace=pace)
        running = asyncio.create_task(dispatcher.run(stop))
        try:
            yield
        finally:
            stop.set()
            await running

    async def done(self, count: int, operation: str = "count", *, deadline_s: float = 30.0) -> None:
        """Return once an operation's group has committed so many records in all."""

        async def reached() -> bool:
            return await asyncio.to_thread(self._committed, operation) == count

        await until(reached, f"{operation} has committed {count} records", deadline_s=deadline_s)

    def _committed(self, operation: str) -> int:
        partitions = [TopicPartition(self.topic, number) for number in range(self.kafka.partitions)]
        asked = ConsumerGroupTopicPartitions(f"{self.prefix}.{operation}", partitions)
        (answer,) = self.admin.list_consumer_group_offsets([asked]).values()
        return sum(max(0, one.offset) for one in answer.result(timeout=10).topic_partitions)

    def letters(self, count: int) -> list[dict[str, str]]:
        """Return the headers of the dead letters, once there are so many."""
        consumer = Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": "letters", "log_level": 0})
        topic = self.topic + DEAD_LETTERS
        consumer.assign([TopicPartition(topic, number, 0) for number in range(self.kafka.partitions)])
        found: list[dict[str, str]] = []
        for _ in range(100):
            message = consumer.poll(0.1)
            if message is not None and not message.error():
                headers = dict(message.headers() or [])
                found.append({name: bytes(value or b"").decode() for name, value in headers.items()})  # type: ignore[arg-type]
            if len(found) >= count:
                break
        consumer.close()
        return found


def envelope(key: str, number: int, type_: str) -> bytes:
    return (
        f'{{"specversion":"1.0","id":"{EventId.new()}","type":"{type_}","subject":"{key}",'
        f'"time":"2026-01-01T00:00:00Z","traceparent":"00-{number:032x}-{1:016x}-01","data":{{"number":{number}}}}}'
    ).encode()


@pytest.fixture
async def world(kafka: Running, topic: str, database: str) -> AsyncIterator[World]:
    settings = KafkaSettings.from_env(kafka.env)
    pool = Database(PostgresSettings(database))
    async with FunctionServer().serving() as server:
        caller = Caller(server.url, lambda: "a.token.here", timeout_s=5.0)
        admin = AdminClient({"bootstrap.servers": settings.bootstrap, "log_level": 0})
        world = World(topic.replace("-", "x"), settings, database, Parking(pool), caller, server, admin)
        await asyncio.to_thread(ensure_topics, settings, [world.topic, world.topic + DEAD_LETTERS])
        yield world
        await caller.close()
    pool.close()


def facts(keys: int, each: int) -> list[tuple[str, int]]:
    return [(f"ord_{key}", number) for number in range(1, each + 1) for key in range(keys)]


async def test_every_fact_is_delivered_once_in_order_per_key_and_keys_side_by_side(world: World) -> None:
    world.server.slow_s = 0.002
    world.produce(facts(20, 30))
    async with world.dispatching():
        await until(lambda: len(world.server.calls) >= 600, "all facts are delivered")
        await world.done(600)
    assert world.server.numbers("count") == {f"ord_{key}": list(range(1, 31)) for key in range(20)}
    assert len(world.server.calls) == 600
    assert world.server.overlapped == []
    assert 2 < world.server.most_running <= QUICK.in_flight


async def test_a_call_carries_identity_content_type_and_trace(world: World) -> None:
    world.produce([("ord_1", 255)])
    async with world.dispatching():
        await until(lambda: bool(world.server.calls), "the fact is delivered")
    headers = world.server.calls[0].headers
    assert headers["authorization"] == "Bearer a.token.here"
    assert headers["content-type"] == "application/cloudevents+json"
    assert headers["traceparent"] == f"00-{255:032x}-{1:016x}-01"


async def test_each_operation_gets_every_fact_and_a_dead_one_holds_up_nobody(world: World) -> None:
    world.server.answer = lambda call: Response(status_code=503 if call.operation == "broken" else 204)
    world.produce(facts(5, 10))
    async with world.dispatching("one", "two", "broken"):
        await until(lambda: len(world.server.numbers("one")) == 5, "the first operation gets its facts")
        await world.done(50, "one")
        await world.done(50, "two")
        await world.done(0, "broken")
    assert {number for numbers in world.server.numbers("broken").values() for number in numbers} == {1}


async def test_a_type_that_is_not_subscribed_is_passed_over(world: World) -> None:
    world.produce([("ord_1", 1)], type_=f"{world.prefix}.ignored.v1")
    world.produce([("ord_1", 2)])
    async with world.dispatching():
        await world.done(2)
    assert world.server.numbers("count") == {"ord_1": [2]}


async def test_what_may_pass_is_tried_again_in_order(world: World) -> None:
    passing = {1: 500, 2: 503, 3: 429, 4: 408, 5: 401, 6: 403, 7: 404}

    def answer(call: Called) -> Response:
        return problem(passing[call.number], "passing") if call.key == "ord_1" and call.before < 2 else done(call)

    world.server.answer = answer
    world.produce(facts(2, 7))
    async with world.dispatching():
        await world.done(14)
    assert world.server.numbers("count") == {"ord_0": list(passing), "ord_1": list(passing)}
    assert len(world.server.calls) == 14 + 2 * 7
    assert await world.parking.keys("count") == set()


async def test_a_refusal_that_is_no_problem_document_is_tried_again(world: World) -> None:
    world.server.answer = lambda call: Response(status_code=400 if call.before < 2 else 204)
    world.produce([("ord_1", 1)])
    async with world.dispatching():
        await world.done(1)
    assert len(world.server.calls) == 3


async def test_a_refused_fact_parks_its_key_alone_and_later_facts_wait_behind_it(world: World) -> None:
    def answer(call: Called) -> Response:
        poison = (call.operation, call.key, call.number) == ("count", "ord_1", 2)
        return problem(422, "invalid") if poison else done(call)

    world.server.answer = answer
    world.produce(facts(3, 4))
    async with world.dispatching("count", "other"):
        await world.done(12)
        await world.done(12, "other")
        assert await world.parking.keys("count") == {"ord_1"}
        (counted,) = await world.parking.counts()
        assert (counted.operation, counted.facts, counted.keys) == ("count", 3, 1)
    assert world.server.numbers("count") == {"ord_0": [1, 2, 3, 4], "ord_1": [1, 2], "ord_2": [1, 2, 3, 4]}
    assert world.server.numbers("other") == {f"ord_{key}": [1, 2, 3, 4] for key in range(3)}
    (letter,) = world.letters(1)
    assert letter["operation"] == "count"
    assert letter["topic"] == world.topic
    assert letter["reason"] == "422 invalid: as told"
    assert int(letter["offset"]) >= 0


async def test_a_restarted_dispatcher_still_lets_later_facts_wait(world: World) -> None:
    world.server.answer = lambda call: problem(422, "invalid") if call.number == 1 else done(call)
    world.produce([("ord_1", 1)])
    async with world.dispatching():
        await world.done(1)
    world.produce([("ord_1", 2), ("ord_2", 2)])
    async with world.dispatching():
        await world.done(3)
    assert world.server.numbers("count") == {"ord_1": [1], "ord_2": [2]}


async def test_a_redrive_goes_on_in_order_and_what_comes_meanwhile_follows(world: World) -> None:
    broken = True

    def answer(call: Called) -> Response:
        return problem(422, "invalid") if broken and call.key == "ord_1" and call.number == 2 else done(call)

    world.server.answer = answer
    world.server.slow_s = 0.02
    world.produce(facts(2, 5))
    async with world.dispatching():
        await world.done(10)
        redrive = Redrive(world.parking, world.caller, longest_pause_s=0.05)
        told = await redrive.key("count", "ord_1")
        assert (told.delivered, told.left) == (0, "422 invalid: as told")
        broken = False
        running = asyncio.create_task(redrive.key("count", "ord_1"))
        world.produce([("ord_1", number) for number in range(6, 30)])
        told = await running
        assert told.left is None
        await until(lambda: len(world.server.numbers("count")["ord_1"]) == 29, "all facts of the key are delivered")
        assert await world.parking.keys("count") == set()
    assert world.server.numbers("count")["ord_1"] == list(range(1, 30))


async def test_what_is_no_envelope_becomes_a_dead_letter_and_nothing_waits_behind_it(world: World) -> None:
    producer = KafkaProducer(world.kafka)
    producer.deliver([Record(world.topic, "ord_1", b"\xff not json")], deadline_s=10)
    producer.close()
    world.produce([("ord_1", 1)])
    async with world.dispatching():
        await world.done(2)
    assert world.server.numbers("count") == {"ord_1": [1]}
    (letter,) = world.letters(1)
    assert letter["reason"].startswith("not an envelope")


async def test_a_function_that_is_down_is_found_again(world: World) -> None:
    world.produce(facts(3, 3))
    world.server.port, away = 1, world.server.port
    async with world.dispatching():
        await asyncio.sleep(0)
        world.server.port = away
        await world.done(9)
    assert world.server.numbers("count") == {f"ord_{key}": [1, 2, 3] for key in range(3)}


async def test_when_too_much_is_open_nothing_more_is_fetched_until_it_is_done(world: World) -> None:
    opened = False
    world.server.answer = lambda _: Response(status_code=204 if opened else 503)
    world.produce(facts(50, 40))
    async with world.dispatching(pace=Pace(first_pause_s=0.05, longest_pause_s=0.1, most_open=100)):
        await until(lambda: len(world.server.calls) > 50, "the function is called in vain")
        opened = True
        await world.done(2000, deadline_s=40)
    assert world.server.numbers("count") == {f"ord_{key}": list(range(1, 41)) for key in range(50)}


async def test_a_dispatcher_killed_in_mid_call_delivers_again_and_nothing_is_lost(world: World) -> None:
    world.server.slow_s = 0.01
    world.produce(facts(10, 20))
    child = start_child(world)
    await until(lambda: len(world.server.calls) > 40, "the dispatcher works", deadline_s=30)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    async with world.dispatching():
        await world.done(200, deadline_s=40)
    assert world.server.numbers("count") == {f"ord_{key}": list(range(1, 21)) for key in range(10)}


async def test_two_dispatchers_share_the_partitions_and_keep_the_order_through_a_hand_over(world: World) -> None:
    world.server.slow_s = 0.005
    world.produce(facts(16, 10))
    child = start_child(world)
    try:
        async with world.dispatching():
            await until(lambda: len(world.server.calls) > 20, "the first works", deadline_s=30)
            for start in range(11, 41, 10):
                world.produce([(f"ord_{key}", n) for n in range(start, start + 10) for key in range(16)])
            await world.done(640, deadline_s=40)
        world.produce([(f"ord_{key}", 41) for key in range(16)])
        await world.done(656, deadline_s=40)
    finally:
        child.kill()
        child.wait()
    assert world.server.numbers("count") == {f"ord_{key}": list(range(1, 42)) for key in range(16)}


def start_child(world: World) -> subprocess.Popen[bytes]:
    """Start a dispatcher of its own process on the same group."""
    url = world.server.url("").rstrip("/")
    arguments = [world.kafka.bootstrap, world.database, url, "count", world.type]
    script = CHILD.replace('"tests"', repr(world.prefix))
    return subprocess.Popen([sys.executable, "-c", script, *arguments])


def test_the_envelope_of_these_tests_is_one() -> None:
    assert routed(envelope("ord_1", 1, "a.b.v1")).subject == "ord_1"
