"""`python -m triggers.dispatcher`: every fact on Kafka to every function that the registry names for its type.

One consumer group per operation, so that an operation that is down, slow or refusing holds up nobody but itself, and
a new one begins by itself. Positions are committed every 200 ms and at the end: after a crash a little is delivered
again, and the functions' inbox makes that harmless.
"""

import asyncio
import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client import Gauge

from shared.adapters.kafka.consumer import Feed, Incoming, Positions
from shared.adapters.kafka.producer import KafkaProducer, Record
from shared.adapters.kafka.topics import ALL_TOPICS, DEAD_LETTERS, TopicsMissing, ensure_topics
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.parking import Parking
from shared.adapters.resilience import pause_s
from shared.kernel.errors import Transient
from shared.kernel.facts import topic_of
from shared.settings import FunctionUrlSettings, KafkaSettings, PostgresSettings
from triggers import worker
from triggers.calling import Caller
from triggers.delivery import PACE, Delivery, Functions, Pace, set_within
from triggers.registry import Entry, load

COMMIT_S: Final = 0.2
MEASURE_S: Final = 5.0
DRAIN_S: Final = 8.0
_SWITCH_S: Final = 0.0005
"""How long a feed's thread waits for the interpreter while the event loop computes; Python's own 5 ms would show."""
_DEAD_LETTER_DEADLINE_S: Final = 5.0

LAG: Final = Gauge("dispatch_lag_records", "Records of a group's partitions that are not done", ["operation"])
PARKED: Final = Gauge("dispatch_parked_facts", "Facts that wait for a redrive", ["operation"])
PARKED_KEYS: Final = Gauge("dispatch_parked_keys", "Keys of which something is parked", ["operation"])


class DeadLetterTopics:
    """`<topic>.dlq`: copies of refused records, for people to look at; what is to be done again lies in Postgres."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._producer = KafkaProducer(settings)
        self._one = asyncio.Lock()

    async def put(self, operation: str, record: Incoming, reason: str) -> None:
        """Copy a record with the reason and where it came from. Raises Undelivered."""
        topic, partition = record.partition
        headers = {
            "reason": reason,
            "operation": operation,
            "topic": topic,
            "partition": str(partition),
            "offset": str(record.offset),
        }
        letter = Record(
            topic + DEAD_LETTERS,
            record.key,
            record.value,
            tuple((name, value.encode()) for name, value in headers.items()),
        )
        async with self._one:
            await asyncio.to_thread(self._producer.deliver, [letter], deadline_s=_DEAD_LETTER_DEADLINE_S)

    async def close(self) -> None:
        """Give up the broker connection."""
        await asyncio.to_thread(self._producer.close)


@dataclass
class _Line:
    """One operation's feed and delivery."""

    feed: Feed
    delivery: Delivery

    def commit(self, positions: Positions) -> None:
        if positions:
            self.feed.commit(positions)

    def measure(self) -> None:
        self.delivery.measure()
        positions = self.delivery.positions()
        ends = ((self.feed.end_of(id_), position) for id_, position in positions.items())
        LAG.labels(self.delivery.operation).set(sum(max(0, end - at) for end, at in ends if end is not None))


class Dispatcher:
    """All event operations of a registry, each on its own line."""

    def __init__(
        self,
        entries: Sequence[Entry],
        kafka: KafkaSettings,
        *,
        functions: Functions,
        parking: Parking,
        pace: Pace = PACE,
    ) -> None:
        self._entries = entries
        self._kafka = kafka
        self._functions = functions
        self._parking = parking
        self._pace = pace
        self._lines: list[_Line] = []
        self._log = structlog.get_logger("dispatcher")

    async def run(self, stop: asyncio.Event) -> None:
        """Dispatch until `stop` is set, then finish what is in work, for some seconds, and commit."""
        await self._topics(stop)
        dead_letters = DeadLetterTopics(self._kafka)
        async with asyncio.TaskGroup() as tasks:
            for entry in self._entries:
                self._lines.append(self._line(entry, dead_letters, tasks))
            for line in self._lines:
                line.feed.start()
            self._log.info("dispatching", operations=len(self._lines))
            measuring = tasks.create_task(self._measure())
            while not await set_within(stop, COMMIT_S):
                for line in self._lines:
                    line.commit(line.delivery.news())
                    if not line.feed.alive:
                        raise RuntimeError(f"the feed of {line.delivery.operation} ended") from line.feed.failure
            measuring.cancel()
            await self._end()
        await dead_letters.close()

    async def _topics(self, stop: asyncio.Event) -> None:
        """Make the topics that are missing, however long the broker takes to come up."""
        failures = 0
        while not stop.is_set():
            try:
                made = await asyncio.to_thread(ensure_topics, self._kafka, self._wanted())
            except TopicsMissing as error:
                failures += 1
                self._log.warning("waiting for Kafka", error=str(error), in_a_row=failures)
                await asyncio.sleep(pause_s(failures, first_s=0.1, longest_s=2.0))
                continue
            if made:
                self._log.info("topics made", topics=made)
            return

    def _wanted(self) -> set[str]:
        own = {topic_of(type_) for entry in self._entries for type_ in entry.on}
        return {*ALL_TOPICS, *own, *(topic + DEAD_LETTERS for topic in own)}

    def _line(self, entry: Entry, dead_letters: DeadLetterTopics, tasks: asyncio.TaskGroup) -> _Line:
        delivery = Delivery(
            entry.operation,
            entry.on,
            functions=self._functions,
            parked=self._parking,
            dead_letters=dead_letters,
            tasks=tasks,
            pace=self._pace,
        )
        feed = Feed(self._kafka, entry.group, entry.on, delivery)
        delivery.connect(feed)
        return _Line(feed, delivery)

    async def _measure(self) -> None:
        """Show lag and what is parked, every few seconds."""
        while True:
            for line in self._lines:
                line.measure()
            try:
                counted = {count.operation: count for count in await self._parking.counts()}
            except Transient as error:
                self._log.warning("can't count what is parked", error=str(error))
            else:
                for operation in {*counted, *(line.delivery.operation for line in self._lines)}:
                    count = counted.get(operation)
                    PARKED.labels(operation).set(count.facts if count else 0)
                    PARKED_KEYS.labels(operation).set(count.keys if count else 0)
            await asyncio.sleep(MEASURE_S)

    async def _end(self) -> None:
        """Read nothing more, let the work in hand finish, and leave the groups with the positions it reached."""
        for line in self._lines:
            line.delivery.drain()
        try:
            async with asyncio.timeout(DRAIN_S):
                for line in self._lines:
                    await line.delivery.idle()
        except TimeoutError:
            self._log.warning("left unfinished", open=sum(line.delivery.open for line in self._lines))
        await asyncio.gather(*(line.feed.close() for line in self._lines))


async def _run() -> None:
    from shared.edge.identity import mint_service_token

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    worker.on_stop(lambda: loop.call_soon_threadsafe(stop.set))
    url = FunctionUrlSettings.from_env()
    caller = Caller(url.of, functools.partial(mint_service_token, "dispatcher"))
    database = Database(PostgresSettings.from_env())
    dispatcher = Dispatcher(load().events(), KafkaSettings.from_env(), functions=caller, parking=Parking(database))
    try:
        await dispatcher.run(stop)
    finally:
        await caller.close()
        database.close()


def _main() -> None:
    import uvloop

    sys.setswitchinterval(_SWITCH_S)
    uvloop.run(_run())


if __name__ == "__main__":
    sys.exit(worker.run(_main))
