"""Delivering the facts of one operation: one after the other per key, keys side by side, none left out.

A record is done when the function answered 2xx, or when it was parked: refused for good, or waiting behind such a one.
Everything else is tried again, for as long as it takes; the partition's position does not pass it meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol

import structlog
from prometheus_client import Counter, Gauge, Histogram

from shared.adapters.delivery import Undelivered
from shared.adapters.kafka.consumer import Incoming, PartitionId, Positions
from shared.adapters.resilience import pause_s
from shared.kernel.envelope import Routed
from shared.kernel.errors import Transient
from triggers.calling import Done, Failed, Outcome, Refused
from triggers.progress import Progress

DELIVERIES: Final = Counter("dispatch_calls_total", "Calls of event functions", ["operation", "outcome"])
LATENCY_S: Final = Histogram(
    "dispatch_latency_seconds",
    "From the fact's time to the function's 2xx",
    ["operation"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
OPEN: Final = Gauge("dispatch_open_records", "Records read and not done", ["operation"])
STUCK: Final = Gauge(
    "dispatch_stuck_keys", "Keys whose first record has failed often enough for an alarm", ["operation"]
)


@dataclass(frozen=True)
class Pace:
    """How a delivery spends its time, in seconds, and how much it takes on."""

    first_pause_s: float = 0.1
    longest_pause_s: float = 10.0
    in_flight: int = 24
    """Calls at the same time."""
    most_open: int = 4_000
    """Records read and not done, above which nothing more is fetched; fetched again below half of it."""
    alarm_after: int = 5
    """Failures of one record in a row after which it is logged as an alarm."""


PACE: Final = Pace()


class Functions(Protocol):
    """Where facts are delivered."""

    async def deliver(self, operation: str, body: bytes, traceparent: str | None) -> Outcome:
        """Call an event function."""
        ...


class Parked(Protocol):
    """Where facts wait that were refused for good. Methods raise Transient."""

    async def keys(self, operation: str) -> set[str]:
        """Return the keys of which something is parked."""
        ...

    async def park(self, operation: str, key: str, event_id: str, topic: str, body: bytes, reason: str) -> None:
        """Park a fact."""
        ...

    async def wait(self, operation: str, key: str, event_id: str, topic: str, body: bytes) -> bool:
        """Queue a fact behind what is parked of its key; False: nothing is."""
        ...


class DeadLetters(Protocol):
    """Where refused records are shown to people."""

    async def put(self, operation: str, record: Incoming, reason: str) -> None:
        """Copy a record with the reason and where it came from. Raises Undelivered."""
        ...


class Valve(Protocol):
    """The feed's side of back pressure."""

    def pause(self) -> None:
        """Fetch nothing more."""
        ...

    def resume(self) -> None:
        """Fetch again."""
        ...


@dataclass(frozen=True, slots=True)
class Fact:
    """A record that has to be delivered, read as far as a transport must."""

    record: Incoming
    routed: Routed


@dataclass(slots=True)
class Partition:
    """One partition's records in work: a queue and a task per key."""

    progress: Progress = field(default_factory=Progress)
    queues: dict[str, deque[Fact]] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    open: int = 0


class Delivery:
    """One operation's facts, from its feed to its function. A `Listener` of the feed."""

    def __init__(
        self,
        operation: str,
        types: Collection[str],
        *,
        functions: Functions,
        parked: Parked,
        dead_letters: DeadLetters,
        tasks: asyncio.TaskGroup,
        pace: Pace = PACE,
    ) -> None:
        self.operation = operation
        self._types = frozenset(types)
        self._functions = functions
        self._parked = parked
        self._dead_letters = dead_letters
        self._tasks = tasks
        self._pace = pace
        self._valve: Valve | None = None
        self._partitions: dict[PartitionId, Partition] = {}
        self.open = 0
        """Records read and not done."""
        self._parked_keys: set[str] = set()
        self._assignments = 1
        self._parked_read = 0
        self._calls = asyncio.Semaphore(pace.in_flight)
        self._paused = False
        self._draining = asyncio.Event()
        self._stuck: set[str] = set()
        self._latency_s = LATENCY_S.labels(operation)
        self._outcomes = {kind: DELIVERIES.labels(operation, kind) for kind in ("done", "refused", "failed", "waits")}
        self._log = structlog.get_logger("dispatcher").bind(operation=operation)

    def connect(self, valve: Valve) -> None:
        """Name the feed to be paused when too much is open."""
        self._valve = valve

    def assigned(self, partitions: Sequence[PartitionId]) -> None:
        """Take partitions over; whoever had them may have parked keys, so these are read again."""
        self._assignments += 1
        for id_ in partitions:
            self._partitions[id_] = Partition()

    def revoked(self, partitions: Sequence[PartitionId]) -> Positions:
        """Drop the work on partitions and return their positions; what is open, the next owner does again."""
        positions = {}
        for id_ in partitions:
            partition = self._partitions.pop(id_, None)
            if partition is None:
                continue
            position = partition.progress.position
            if position is not None:
                positions[id_] = position
            self._drop(partition)
        return positions

    def news(self) -> Positions:
        """Return the positions that changed since the last call."""
        changed = ((id_, partition.progress.news()) for id_, partition in self._partitions.items())
        return {id_: position for id_, position in changed if position is not None}

    def positions(self) -> Positions:
        """Return the position of every partition that has one."""
        known = ((id_, partition.progress.position) for id_, partition in self._partitions.items())
        return {id_: position for id_, position in known if position is not None}

    def arrived(self, records: Sequence[Incoming]) -> None:
        """Queue records, each behind the earlier ones of its key. What is not for this operation is done at once."""
        for record in records:
            partition = self._partitions.get(record.partition)
            if partition is None or self._draining.is_set():
                continue  # nobody waits for it here: revoked, or the process ends
            if partition.progress.repeats(record.offset):
                self._log.warning("the log was cut or wiped", topic=record.partition.topic, offset=record.offset)
                self._drop(partition)
                partition = self._partitions[record.partition] = Partition()
            partition.progress.begin(record.offset)
            self._queue(partition, record)
        self._regulate()

    def drain(self) -> None:
        """Take nothing more and begin nothing more; calls that are under way may end."""
        self._draining.set()

    async def idle(self) -> None:
        """Return when nothing is in work."""
        while tasks := [task for partition in self._partitions.values() for task in partition.tasks]:
            await asyncio.wait(tasks)

    def measure(self) -> None:
        """Show how much is open and stuck."""
        OPEN.labels(self.operation).set(self.open)
        STUCK.labels(self.operation).set(len(self._stuck))

    def _queue(self, partition: Partition, record: Incoming) -> None:
        known = record.envelope
        if known is None:
            self._begin(partition, self._misfit(partition, record))
            return
        if known.type not in self._types:
            partition.progress.finish(record.offset)
            return
        self.open += 1
        partition.open += 1
        queue = partition.queues.get(record.key)
        if queue is not None:
            queue.append(Fact(record, known))
            return
        partition.queues[record.key] = deque([Fact(record, known)])
        self._begin(partition, self._work(partition, record.key))

    def _begin(self, partition: Partition, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        task = self._tasks.create_task(run())
        partition.tasks.add(task)
        task.add_done_callback(partition.tasks.discard)

    def _drop(self, partition: Partition) -> None:
        self.open -= partition.open
        for task in partition.tasks:
            task.cancel()
        self._stuck -= set(partition.queues)

    async def _work(self, partition: Partition, key: str) -> None:
        queue = partition.queues[key]
        while queue and not self._draining.is_set():
            fact = queue[0]
            if not await self._persist(key, partial(self._try, fact)):
                return
            queue.popleft()
            self.open -= 1
            partition.open -= 1
            partition.progress.finish(fact.record.offset)
            self._regulate()
        if not queue:
            del partition.queues[key]

    async def _misfit(self, partition: Partition, record: Incoming) -> None:
        """Show a record that is no fact at all; nothing waits behind it, for it belongs to no stream."""

        async def attempt() -> Failed | None:
            await self._dead_letters.put(self.operation, record, "not an envelope")
            return None

        self._log.error("not an envelope", topic=record.partition.topic, offset=record.offset)
        if await self._persist(record.key, attempt):
            partition.progress.finish(record.offset)

    async def _persist(self, key: str, attempt: Callable[[], Awaitable[Failed | None]]) -> bool:
        """Repeat an attempt until it succeeds, however often it fails; False when the process ends before."""
        failures = 0
        while (failed := await attempt()) is not None:
            failures += 1
            alarm = failures % self._pace.alarm_after == 0
            if alarm:
                self._stuck.add(key)
            log = self._log.error if alarm else self._log.info
            log("call failed", key=key, reason=failed.reason, failures=failures)
            pause = pause_s(failures, first_s=self._pace.first_pause_s, longest_s=self._pace.longest_pause_s)
            asked_s = min(failed.retry_after_s or 0.0, self._pace.longest_pause_s)
            if await set_within(self._draining, max(pause, asked_s)):
                return False
        if failures:
            self._stuck.discard(key)
        return True

    async def _try(self, fact: Fact) -> Failed | None:
        """Deliver or park a fact; return why not."""
        try:
            if await self._must_wait(fact):
                return None
            async with self._calls:
                outcome = await self._functions.deliver(self.operation, fact.record.value, fact.routed.traceparent)
            self._outcomes[type(outcome).__name__.lower()].inc()
            match outcome:
                case Done():
                    self._latency_s.observe(_age_s(fact.routed.time))
                    return None
                case Refused(reason):
                    await self._park(fact, reason)
                    return None
                case Failed():
                    return outcome
        except (Transient, Undelivered) as error:
            return Failed(f"{type(error).__name__}: {error}")

    async def _must_wait(self, fact: Fact) -> bool:
        """Queue the fact behind a parked one of its key, if there is one; return whether it was."""
        if self._parked_read != (assignment := self._assignments):
            self._parked_keys |= await self._parked.keys(self.operation)
            self._parked_read = assignment
        key, record = fact.record.key, fact.record
        if key not in self._parked_keys:
            return False
        waits = await self._parked.wait(self.operation, key, fact.routed.id, record.partition.topic, record.value)
        if waits:
            self._outcomes["waits"].inc()
        else:
            self._parked_keys.discard(key)
        return waits

    async def _park(self, fact: Fact, reason: str) -> None:
        record = fact.record
        await self._dead_letters.put(self.operation, record, reason)
        await self._parked.park(
            self.operation, record.key, fact.routed.id, record.partition.topic, record.value, reason
        )
        self._parked_keys.add(record.key)
        self._log.error("parked", key=record.key, event_id=fact.routed.id, type=fact.routed.type, reason=reason)

    def _regulate(self) -> None:
        open_ = self.open
        if self._valve is None:
            return
        if not self._paused and open_ > self._pace.most_open:
            self._paused = True
            self._valve.pause()
        elif self._paused and open_ < self._pace.most_open / 2:
            self._paused = False
            self._valve.resume()


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Return True as soon as the event is set, or False after so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _age_s(moment: datetime) -> float:
    return max(0.0, (datetime.now(UTC) - moment).total_seconds())
