"""What the platform needs of Kafka through its producer and feed, from Apache Kafka and the embedded broker alike."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from emulators.component import Running, free_port
from emulators.kafka import Kafka, apache_available
from shared.adapters.delivery import Undelivered
from shared.adapters.kafka.consumer import Feed, Incoming, PartitionId, Positions
from shared.adapters.kafka.producer import KafkaProducer, Record
from shared.adapters.kafka.topics import TopicsMissing, ensure_topics
from shared.kernel.facts import topic_of
from shared.settings import KafkaSettings
from tests.waiting import until

ENGINES = ["apache", "embedded"] if apache_available() else ["embedded"]
_numbers = itertools.count(1)


@dataclass
class Listening:
    """A listener that counts every record as done at once, unless told to hold on to them."""

    hold: bool = False
    seen: list[tuple[str, int]] = field(default_factory=list)
    """Key and number of every record, in the order of arrival."""
    done: dict[PartitionId, int] = field(default_factory=dict)
    owned: set[PartitionId] = field(default_factory=set)
    home: dict[str, PartitionId] = field(default_factory=dict)
    """The partition of each key."""

    def assigned(self, partitions: Sequence[PartitionId]) -> None:
        self.owned |= set(partitions)

    def arrived(self, records: Sequence[Incoming]) -> None:
        for record in records:
            assert record.envelope is not None
            self.seen.append((record.key, json.loads(record.value)["data"]["number"]))
            self.home[record.key] = record.partition
            if not self.hold:
                self.done[record.partition] = record.offset + 1

    def revoked(self, partitions: Sequence[PartitionId]) -> Positions:
        self.owned -= set(partitions)
        return {id_: self.done[id_] for id_ in partitions if id_ in self.done}


@pytest.fixture(scope="module", params=ENGINES)
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Kafka(light=request.param == "embedded").start(tmp_path_factory.mktemp("kafka"))
    yield running
    running.stop(grace_s=0)


@pytest.fixture
def kafka(broker: Running) -> KafkaSettings:
    return KafkaSettings.from_env(broker.env)


@pytest.fixture
def topic(kafka: KafkaSettings) -> str:
    """The topic of a fact type of this test's own."""
    name = topic_of(type_of(f"contract{next(_numbers)}-events"))
    assert ensure_topics(kafka, [name]) == [name]
    return name


def type_of(topic: str) -> str:
    """Return the fact type that the tests put on a topic."""
    return f"{topic.removesuffix('-events')}.counted.v1"


def record(topic: str, key: str, number: int, type_: str = "") -> Record:
    said = {"id": f"evt_{number}", "type": type_ or type_of(topic), "subject": key, "time": "2026-01-01T00:00:00Z"}
    return Record(topic, key, json.dumps({**said, "data": {"number": number}}).encode())


@asynccontextmanager
async def feeding(kafka: KafkaSettings, topic: str, listening: Listening) -> AsyncIterator[Feed]:
    feed = Feed(kafka, f"group-{topic}", [type_of(topic)], listening)
    feed.start()
    try:
        yield feed
    finally:
        await feed.close()
    assert feed.failure is None


def produce(kafka: KafkaSettings, topic: str, facts: Sequence[tuple[str, int]]) -> None:
    producer = KafkaProducer(kafka)
    producer.deliver([record(topic, key, number) for key, number in facts], deadline_s=10)
    producer.close()


def by_key(seen: Sequence[tuple[str, int]]) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = {}
    for key, number in seen:
        numbers.setdefault(key, []).append(number)
    return numbers


def test_topics_are_made_once(kafka: KafkaSettings, topic: str) -> None:
    assert ensure_topics(kafka, [topic]) == []


def test_a_broker_that_is_not_there_is_named_as_such() -> None:
    nowhere = KafkaSettings(f"127.0.0.1:{free_port()}")
    with pytest.raises(TopicsMissing):
        ensure_topics(nowhere, ["any"], timeout_s=0.5)
    with pytest.raises(Undelivered):
        KafkaProducer(nowhere).deliver([record("any", "key", 1)], deadline_s=0.5)


async def test_records_of_a_key_arrive_in_order_and_all_of_them(kafka: KafkaSettings, topic: str) -> None:
    facts = [(f"key-{n % 7}", n) for n in range(3000)]
    listening = Listening()
    async with feeding(kafka, topic, listening):
        await asyncio.to_thread(produce, kafka, topic, facts)
        await until(lambda: len(listening.seen) >= 3000, "all records arrive")
    assert by_key(listening.seen) == by_key(facts)


async def test_facts_that_nobody_waits_for_are_told_later_and_in_their_place(kafka: KafkaSettings, topic: str) -> None:
    listening, producer = Listening(), KafkaProducer(kafka)
    async with feeding(kafka, topic, listening):
        await until(lambda: len(listening.owned) == 4, "it has its partitions")
        for number, type_ in enumerate(("other.v1", "other.v1", "", "other.v1")):
            await asyncio.to_thread(producer.deliver, [record(topic, "key", number, type_)], deadline_s=10)
        await until(lambda: len(listening.seen) == 4, "all arrive")
    producer.close()
    assert [number for _, number in listening.seen] == [0, 1, 2, 3]


async def test_a_group_goes_on_after_what_was_handed_over_at_the_end(kafka: KafkaSettings, topic: str) -> None:
    await asyncio.to_thread(produce, kafka, topic, [("key", n) for n in range(10)])
    first, second = Listening(), Listening()
    async with feeding(kafka, topic, first):
        await until(lambda: len(first.seen) == 10, "the first ten arrive")
    await asyncio.to_thread(produce, kafka, topic, [("key", n) for n in range(10, 20)])
    async with feeding(kafka, topic, second):
        await until(lambda: len(second.seen) == 10, "the others arrive")
    assert [number for _, number in second.seen] == list(range(10, 20))


async def test_what_was_not_committed_comes_again(kafka: KafkaSettings, topic: str) -> None:
    await asyncio.to_thread(produce, kafka, topic, [("key", n) for n in range(10)])
    first, second = Listening(hold=True), Listening()
    async with feeding(kafka, topic, first):
        await until(lambda: len(first.seen) == 10, "ten arrive")
        first.done[first.home["key"]] = 4
    async with feeding(kafka, topic, second):
        await until(lambda: len(second.seen) >= 6, "the rest arrives again")
    assert [number for _, number in second.seen] == list(range(4, 10))


async def test_two_feeds_of_a_group_share_its_partitions(kafka: KafkaSettings, topic: str) -> None:
    first, second = Listening(), Listening()
    async with feeding(kafka, topic, first):
        await until(lambda: len(first.owned) == 4, "the first has all partitions")
        async with feeding(kafka, topic, second):
            await until(lambda: len(first.owned) == len(second.owned) == 2, "each has half of them", deadline_s=40)
            assert not first.owned & second.owned
        await until(lambda: len(first.owned) == 4, "the first has them all again", deadline_s=40)


async def test_a_paused_feed_fetches_nothing_until_it_is_resumed(kafka: KafkaSettings, topic: str) -> None:
    listening = Listening()
    async with feeding(kafka, topic, listening) as feed:
        await until(lambda: len(listening.owned) == 4, "it has its partitions")
        feed.pause()
        await until(lambda: len(feed._paused) == 4, "it is paused")
        await asyncio.to_thread(produce, kafka, topic, [("key", n) for n in range(5)])
        assert listening.seen == []
        feed.resume()
        await until(lambda: len(listening.seen) == 5, "the records arrive")


async def test_producer_and_feed_go_on_after_the_broker_was_killed(
    kafka: KafkaSettings, topic: str, broker: Running
) -> None:
    listening, producer = Listening(), KafkaProducer(kafka)
    async with feeding(kafka, topic, listening):
        await asyncio.to_thread(produce, kafka, topic, [("key", 1)])
        await until(lambda: len(listening.seen) == 1, "the first record arrives")
        await asyncio.to_thread(broker.kill)
        with pytest.raises(Undelivered):
            await asyncio.to_thread(producer.deliver, [record(topic, "key", 2)], deadline_s=0.5)
        await asyncio.to_thread(broker.restart)
        await asyncio.to_thread(ensure_topics, kafka, [topic])  # the embedded broker comes back empty
        await asyncio.to_thread(producer.deliver, [record(topic, "key", 2)], deadline_s=10)
        await until(lambda: ("key", 2) in listening.seen, "the second record arrives", deadline_s=40)
    producer.close()
