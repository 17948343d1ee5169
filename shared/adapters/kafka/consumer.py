"""Consuming for one group: a thread polls, an asyncio listener works, and says itself how far it has come.

The consumer is touched by its own thread alone: a commit from another one can deadlock with a rebalance, each side
holding what the other waits for. What the event loop wants done lies in a mailbox until the next poll. Offsets are
committed when the listener hands them over, never by the library.
"""

import asyncio
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from shared.kernel.envelope import Routed, routed
from shared.kernel.facts import topic_of
from shared.settings import KafkaSettings

_CONFIG: Final = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",  # a fact produced before the group's first join counts too
    "partition.assignment.strategy": "cooperative-sticky",
    "session.timeout.ms": 6_000,
    "heartbeat.interval.ms": 1_000,
    "fetch.error.backoff.ms": 100,
    "queued.min.messages": 2_000,
    "queued.max.messages.kbytes": 8_192,
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 500,
    "topic.metadata.refresh.interval.ms": 10_000,
    "socket.nagle.disable": True,
    "log_level": 0,
}
_POLL_S: Final = 0.25
_PAUSED_POLL_S: Final = 0.02
_UNAWAITED_S: Final = 0.2
_BATCH: Final = 200
_HANDOVER_S: Final = 10.0
_ERROR_LOG_S: Final = 10.0
_ENDS_S: Final = 2.0


class PartitionId(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record as it was read."""

    partition: PartitionId
    offset: int
    key: str
    value: bytes
    envelope: Routed | None
    """None when the value is none."""


Positions = Mapping[PartitionId, int]
"""The offset from which a partition is to be read after a restart."""


class Listener(Protocol):
    """Who works on a feed's records. Every method is called in the event loop, one after the other."""

    def assigned(self, partitions: Sequence[PartitionId]) -> None:
        """These partitions are this process's now; their records follow."""
        ...

    def arrived(self, records: Sequence[Incoming]) -> None:
        """Take records, in order per partition."""
        ...

    def revoked(self, partitions: Sequence[PartitionId]) -> Positions:
        """Drop all work on these partitions, and return how far they are done."""
        ...


class Feed:
    """One consumer of one group."""

    def __init__(self, settings: KafkaSettings, group: str, types: Collection[str], listener: Listener) -> None:
        """`types` are the facts that the listener waits for; of other records it is told when it is convenient."""
        self._topics = sorted({topic_of(type_) for type_ in types})
        self._types = frozenset(types)
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.bootstrap,
                "group.id": group,
                "fetch.wait.max.ms": settings.fetch_wait_ms,
                "on_commit": self._on_commit,
                **_CONFIG,
            }
        )
        self._thread = threading.Thread(target=self._run, name=f"feed {group}", daemon=True)
        self._log = structlog.get_logger("feed").bind(group=group)
        self._error_logged = 0.0
        self._mailbox = threading.Lock()
        self._to_commit: dict[PartitionId, int] = {}
        self._latest: dict[PartitionId, int] = {}
        self._assigned: list[PartitionId] = []
        self._wanted_pause = False
        self._paused: list[PartitionId] = []
        self._ends: dict[PartitionId, int] = {}
        self._ends_read = 0.0
        self._read: list[Incoming] = []
        self._told = 0.0
        self.failure: BaseException | None = None
        """What ended the thread, when it was not `close`."""

    def start(self) -> None:
        """Join the group and begin to poll."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Return whether the thread still polls."""
        return self._thread.is_alive()

    def commit(self, positions: Positions) -> None:
        """Store soon how far partitions are done; again when that fails, until the partition is somebody else's."""
        with self._mailbox:
            self._to_commit.update(positions)

    def pause(self) -> None:
        """Fetch nothing more until resumed."""
        self._wanted_pause = True

    def resume(self) -> None:
        """Fetch again."""
        self._wanted_pause = False

    def end_of(self, partition: PartitionId) -> int | None:
        """Return the end offset of a partition as of the last seconds, or None before it was first fetched from."""
        return self._ends.get(partition)

    async def close(self) -> None:
        """Leave the group; the listener's positions are committed on the way out."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            self._consumer.subscribe(
                self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            while not self._stop.is_set():
                self._chores()
                self._poll()
            self._chores()
            self._consumer.close()
        except BaseException as error:
            self.failure = error
            raise

    def _chores(self) -> None:
        """Do what the event loop asked for since the last poll."""
        with self._mailbox:
            positions, self._to_commit = self._to_commit, {}
        positions = {id_: offset for id_, offset in positions.items() if id_ in self._assigned}
        if positions:
            self._latest |= positions
            try:
                self._consumer.commit(offsets=_offsets(positions), asynchronous=True)
            except KafkaException as error:
                self._commit_again(positions, error)
        self._regulate()
        now = time.monotonic()
        if now - self._ends_read > _ENDS_S:
            self._ends_read = now
            self._ends = {id_: end for id_ in self._assigned if (end := self._end(id_)) is not None}

    def _regulate(self) -> None:
        wanted = self._assigned if self._wanted_pause else []
        if wanted == self._paused:
            return
        if wanted:
            self._consumer.pause(_partitions(wanted))
        else:
            self._consumer.resume(_partitions(self._paused))
        self._paused = list(wanted)

    def _end(self, partition: PartitionId) -> int | None:
        try:
            _, high = self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
        except KafkaException:
            return None
        return int(high) if high >= 0 else None

    def _poll(self) -> None:
        first = self._consumer.poll(_PAUSED_POLL_S if self._wanted_pause else _POLL_S)
        if first is not None:
            for message in (first, *self._consumer.consume(_BATCH, 0)):
                record = self._record(message)
                if record is not None:
                    self._read.append(record)
        if self._read and (self._awaited() or time.monotonic() - self._told > _UNAWAITED_S):
            records, self._read, self._told = self._read, [], time.monotonic()
            self._loop.call_soon_threadsafe(self._listener.arrived, records)

    def _awaited(self) -> bool:
        """Return whether the listener waits for one of the records: only then the event loop is woken at once."""
        return any(record.envelope is None or record.envelope.type in self._types for record in self._read)

    def _record(self, message: Message) -> Incoming | None:
        error = message.error()
        if error is not None:
            self._note("the broker reports trouble", KafkaException(error))
            return None
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        key, value = message.key() or b"", _bytes(message.value())
        return Incoming(
            PartitionId(topic, partition),
            offset,
            key.decode(errors="replace") if isinstance(key, bytes) else key,
            value,
            _envelope(value),
        )

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """Commit again what was not stored, a rebalance being under way for example: the newest position, that is."""
        failed = [one for one in partitions if (error or one.error) is not None]
        if failed:
            self._commit_again(_ids(failed), KafkaException(error or failed[0].error))

    def _commit_again(self, ids: Iterable[PartitionId], error: KafkaException) -> None:
        with self._mailbox:
            for id_ in ids:
                if id_ in self._latest:
                    self._to_commit.setdefault(id_, self._latest[id_])
        self._note("commit failed", error)

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        ids = _ids(partitions)
        self._assigned = sorted({*self._assigned, *ids})

        async def tell() -> None:
            self._listener.assigned(ids)

        asyncio.run_coroutine_threadsafe(tell(), self._loop).result(_HANDOVER_S)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        positions = self._take_back(partitions)
        if not positions:
            return
        try:
            consumer.commit(offsets=_offsets(positions), asynchronous=False)
        except KafkaException as error:
            self._note("commit at hand-over failed", error)

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._take_back(partitions)  # somebody else has them already: there is nothing to commit

    def _take_back(self, partitions: list[TopicPartition]) -> Positions:
        ids = _ids(partitions)
        self._assigned = [id_ for id_ in self._assigned if id_ not in ids]
        self._paused = [id_ for id_ in self._paused if id_ not in ids]
        self._read = [record for record in self._read if record.partition not in ids]
        self._latest = {id_: offset for id_, offset in self._latest.items() if id_ not in ids}

        async def tell() -> Positions:
            return self._listener.revoked(ids)

        return asyncio.run_coroutine_threadsafe(tell(), self._loop).result(_HANDOVER_S)

    def _note(self, what: str, error: KafkaException) -> None:
        """Log trouble, but not every time: an unreachable broker says so many times a second."""
        now = time.monotonic()
        if now - self._error_logged > _ERROR_LOG_S:
            self._error_logged = now
            self._log.warning(what, error=error.args[0].str())


def _envelope(value: bytes) -> Routed | None:
    try:
        return routed(value)
    except msgspec.MsgspecError:
        return None


def _ids(partitions: Sequence[TopicPartition]) -> list[PartitionId]:
    return [PartitionId(partition.topic, partition.partition) for partition in partitions]


def _partitions(ids: Sequence[PartitionId]) -> list[TopicPartition]:
    return [TopicPartition(*id_) for id_ in ids]


def _offsets(positions: Positions) -> list[TopicPartition]:
    return [TopicPartition(topic, number, offset) for (topic, number), offset in positions.items()]


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return str(value).encode() if value is not None else b""
