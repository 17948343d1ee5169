"""From an order placed to its event function called, by way of outbox, relay, Kafka and dispatcher.

Orders come at a steady rate; the clock runs from the customer's 201 to the dispatcher's POST of order.placed.v1, both
seen here. The floor is a record of the same size through the same broker: produced as the relay does, and consumed.
"""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Final, cast

from confluent_kafka import Consumer, TopicPartition

from emulators.component import HOST, free_port
from shared.adapters.kafka.producer import KafkaProducer, Record
from shared.adapters.kafka.topics import ensure_topics
from shared.adapters.postgres.database import Database, Sql
from shared.settings import KafkaSettings, PostgresSettings
from tests.bench.ground import Ground
from tests.bench.load import percentiles_ms
from tests.bench.place_order import function, orders, tokens
from tests.bench.row import BenchFailed, Probe, Readings, Row

PER_SECOND: Final = 50
RECORD_BYTES: Final = 1_400
"""About what an order.placed.v1 is long as a CloudEvent."""
OPERATION: Final = "project_live_order"
"""An operation that the registry calls with order.placed.v1."""
_TOPIC: Final = "bench-floor"
_WITHIN_S: Final = 30.0
_SUBJECT: Final = re.compile(rb'"type":"order\.placed\.v1".*?"subject":"(ord_[0-9a-f]{32})"')
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_EMPTY: Final = Sql("truncate outbox")


class Functions:
    """Stands where the event functions would: answers 204, and notes when a placed order reached the operation."""

    def __init__(self) -> None:
        self.called: dict[str, float] = {}
        self.changed = asyncio.Event()

    def note(self, request: bytes, at: float) -> None:
        """Take a request."""
        placed = _SUBJECT.search(request)
        if placed and request.startswith(f"POST /{OPERATION} ".encode()):
            self.called.setdefault(placed[1].decode(), at)
            self.changed.set()


class _Served(asyncio.Protocol):
    """One of the dispatcher's connections."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._partial = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        at = time.perf_counter()
        request = self._partial + data
        length = _length(request)
        if length is None or len(request) < length:
            self._partial = request
            return
        self._partial = b""
        self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        self._functions.note(request, at)


def _length(message: bytes) -> int | None:
    """Return how long an HTTP message is with its body, or None where its head is not complete."""
    head_end = message.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    told = _LENGTH.search(message, 0, head_end + 2)
    return head_end + 4 + (int(told[1]) if told else 0)


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """Return the head of the next answer, its body read too."""
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly((_length(head) or len(head)) - len(head))
    return head


class Ordering:
    """Places orders at a steady rate and waits for their events."""

    def __init__(self, port: int, functions: Functions, requests: Iterator[bytes]) -> None:
        self._port = port
        self._functions = functions
        self._requests = requests

    async def measure(self, seconds: float) -> Readings:
        """Return how long after their 201 orders reached the function. Raises BenchFailed when one never does."""
        reader, writer = await asyncio.open_connection(HOST, self._port)
        placed: dict[str, float] = {}
        began = time.perf_counter()
        for number in range(max(10, round(seconds * PER_SECOND))):
            await asyncio.sleep(began + number / PER_SECOND - time.perf_counter())
            writer.write(next(self._requests))
            head = await _answer(reader)
            at, location = time.perf_counter(), re.search(rb"location: /v1/orders/(\S+)", head)
            if location is None:
                raise BenchFailed(f"an order was not placed: {head.decode()}")
            placed[location[1].decode()] = at
        writer.close()
        await self._arrived(placed)
        return percentiles_ms([self._functions.called[order] - at for order, at in placed.items()])

    async def _arrived(self, placed: dict[str, float]) -> None:
        called = self._functions.called
        try:
            async with asyncio.timeout(_WITHIN_S):
                while missing := placed.keys() - called.keys():
                    self._functions.changed.clear()
                    await self._functions.changed.wait()
        except TimeoutError:
            raise BenchFailed(f"{len(missing)} of {len(placed)} orders did not reach {OPERATION}") from None


class Plain:
    """Produces records at the same rate, each flushed as the relay flushes a batch, and consumes them."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._producer = KafkaProducer(kafka)
        self._consumer = Consumer(
            {"bootstrap.servers": kafka.bootstrap, "group.id": "bench", "enable.auto.commit": False, "log_level": 0}
        )
        self._consumer.assign([TopicPartition(_TOPIC, number, 0) for number in range(kafka.partitions)])
        self._numbers = count()

    async def measure(self, seconds: float) -> Readings:
        """Return how long after their produce records were consumed. Raises BenchFailed when one never is."""
        wanted = max(10, round(seconds * PER_SECOND))
        consuming = asyncio.create_task(asyncio.to_thread(self._consumed, wanted))
        produced: dict[bytes, float] = {}
        began = time.perf_counter()
        for number in range(wanted):
            await asyncio.sleep(began + number / PER_SECOND - time.perf_counter())
            key = f"{next(self._numbers):08d}"
            record = Record(_TOPIC, key, key.encode().ljust(RECORD_BYTES, b"."))
            produced[key.encode()] = time.perf_counter()
            await asyncio.to_thread(self._producer.deliver, [record], deadline_s=5.0)
        consumed = await consuming
        return percentiles_ms([consumed[key] - at for key, at in produced.items()])

    def _consumed(self, wanted: int) -> dict[bytes, float]:
        consumed: dict[bytes, float] = {}
        end = time.perf_counter() + _WITHIN_S
        while len(consumed) < wanted:
            message = self._consumer.poll(0.25)
            if message is not None and message.error() is None:
                consumed[bytes(message.key() or b"")] = time.perf_counter()
            elif time.perf_counter() > end:
                raise BenchFailed(f"{wanted - len(consumed)} of {wanted} records were not consumed")
        return consumed

    def close(self) -> None:
        """Leave the broker."""
        self._producer.close()
        self._consumer.close()


def rows(ground: Ground) -> Sequence[Row]:
    """Return the row."""
    env = {**ground.env, **ground.engine("kafka").env, **ground.engine("pubsub").env}
    sink = free_port()
    env["FUNCTION_URL_TEMPLATE"] = f"http://{HOST}:{sink}/{{function}}"
    functions = Functions()
    ground.run(_listen(functions, sink))
    ground.run(_emptied(ground.database))
    kafka = KafkaSettings.from_env(env)
    ensure_topics(kafka)
    ensure_topics(kafka, [_TOPIC])
    for name in ("relay", "dispatcher"):
        ground.program(name, f"triggers.{name}", env, lambda: True)
    ordering = Ordering(function(ground), functions, orders(tokens(env), ground.shops))
    plain = Plain(kafka)
    ground.at_end(plain.close)
    placed = Probe("order placed to function called", "ms", lambda seconds: ground.run(ordering.measure(seconds)))
    floor = Probe("Kafka produce to consume", "ms", lambda seconds: ground.run(plain.measure(seconds)))
    return [Row("order placed → event function called, p99", placed, floor, goal=3.0, less_is_better=True)]


async def _listen(functions: Functions, port: int) -> None:
    await asyncio.get_running_loop().create_server(lambda: _Served(functions), HOST, port)


async def _emptied(url: str) -> None:
    """Throw away what other rows left in the outbox: it is not theirs to be waited for."""
    database = Database(PostgresSettings(url))
    await database.run(_EMPTY)
    database.close()
