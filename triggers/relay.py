"""`python -m triggers.relay`: publish a region's outbox in order, facts to Kafka and work to Pub/Sub.

One relay per region and lane works, under a lease; others stand by. A batch is one transaction: delete the oldest
rows, deliver them, commit. Whatever goes wrong before the commit, the rows are still there: a crash repeats, it never
loses. The lease's row is written in the same statement as the delete, so a relay whose time is over can't commit.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

import structlog
from pg8000.exceptions import DatabaseError, InterfaceError
from prometheus_client import Counter, Gauge, Histogram

from shared.adapters.delivery import Undelivered
from shared.adapters.kafka.producer import KafkaProducer, Record
from shared.adapters.kafka.topics import TopicsMissing, ensure_topics
from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.leases import Lease, acquire, release, renew
from shared.adapters.postgres.outbox import Outgoing, oldest_s, take
from shared.adapters.resilience import pause_s
from shared.kernel.errors import Fenced, Transient
from shared.settings import FunctionUrlSettings, GoogleSettings, KafkaSettings, PostgresSettings, RegionSettings
from triggers import worker

_POSTGRES_TROUBLE: Final = (OSError, InterfaceError, DatabaseError, Transient)
_ALARM_AFTER: Final = 3
"""Failures in a row after which every further one is logged as an alarm."""
_PUSH_TOKEN_S: Final = 30 * 86_400
"""The token in a push address is renewed at every start of the relay, so it has to last as long as one runs."""

OLDEST_S: Final = Gauge("outbox_oldest_seconds", "How long the first row of the outbox has waited", ["lane"])
RELAYED: Final = Counter("outbox_relayed_total", "Rows delivered and committed", ["lane"])
FAILURES: Final = Counter("outbox_relay_failures_total", "Batches that were rolled back", ["lane", "cause"])
BATCH_S: Final = Histogram("outbox_batch_seconds", "From a batch's begin to its commit", ["lane"])
LEADER: Final = Gauge("outbox_relay_leader", "1 where this process holds the lane's lease", ["lane"])


class Sink(Protocol):
    """Where a lane's rows go."""

    def deliver(self, rows: Sequence[Outgoing], *, deadline_s: float) -> None:
        """Return when every row has arrived. Blocks. Raises Undelivered."""
        ...

    def recover(self) -> None:
        """Do what may help after a failure, such as creating a topic. Raises Undelivered when it can't yet."""
        ...

    def close(self) -> None:
        """Give up connections."""
        ...


@dataclass
class KafkaSink:
    """Facts: the record's key is the stream, its value the envelope as it lies in the outbox."""

    settings: KafkaSettings

    def __post_init__(self) -> None:
        self._producer = KafkaProducer(self.settings)

    def deliver(self, rows: Sequence[Outgoing], *, deadline_s: float) -> None:
        """Return when the broker has stored every row. Raises Undelivered."""
        self._producer.deliver((Record(row.topic, row.key, row.body) for row in rows), deadline_s=deadline_s)

    def recover(self) -> None:
        """Make the topics that are missing: a broker that lost its data has none."""
        try:
            ensure_topics(self.settings)
        except TopicsMissing as error:
            raise Undelivered(str(error)) from error

    def close(self) -> None:
        """Give up the broker connection."""
        self._producer.close()


@dataclass(frozen=True)
class Pace:
    """How a lane spends its time, in seconds."""

    busy_s: float = 0.005
    """Between looks at the outbox while rows keep coming, and for `keen_s` after the last one."""
    idle_s: float = 0.05
    keen_s: float = 1.0
    lease_s: float = 5.0
    standby_s: float = 0.5
    deadline_s: float = 8.0
    """For one batch to be delivered; the lease's row is locked so long."""
    most: int = 1000
    """Rows in a batch."""


class Lane:
    """One kind of row of one region, in order: `facts` or `work`."""

    def __init__(self, settings: PostgresSettings, region: str, name: str, sink: Sink, pace: Pace = Pace()) -> None:
        self._settings = replace(settings, application_name=f"relay {name}")
        self._region = region
        self._work = name == "work"
        self._name = name
        self._lease_name = f"relay:{region}:{name}"
        self._owner = f"{socket.gethostname()}:{os.getpid()}"
        self._sink = sink
        self._pace = pace
        self._connection: Connection | None = None
        self._lease: Lease | None = None
        self._renewed = 0.0
        self._last_row = 0.0
        self._failures = 0
        self._unsure = True  # whether the sink has what it needs, such as its topics
        self._log = structlog.get_logger("relay").bind(lane=name, region=region)

    def run(self, stop: threading.Event) -> None:
        """Relay until `stop` is set, through every outage of database and broker."""
        while not stop.is_set():
            stop.wait(self._guarded(self._step))
        self._guarded(self._leave)

    def _guarded(self, step: Callable[[], float]) -> float:
        """Run a step and return the pause after it; what the world does to it is logged, counted and waited out."""
        try:
            pause = step()
        except Fenced:
            self._lose_lease("lease lost")
            return self._pace.standby_s
        except Undelivered as error:
            self._rollback()
            return self._failed("broker", error)
        except _POSTGRES_TROUBLE as error:
            self._disconnect()
            return self._failed("postgres", error)
        return pause

    def _step(self) -> float:
        connection = self._connected()
        lease = self._held(connection)
        if lease is None:
            return self._pace.standby_s
        if self._unsure:
            self._sink.recover()
            self._unsure = False
        waiting = oldest_s(connection, region=self._region, work=self._work)
        OLDEST_S.labels(self._name).set(waiting or 0.0)
        now = time.monotonic()
        if waiting is None:
            self._recovered()
            return self._pause_after(now - self._last_row)
        self._last_row = now
        self._drain(connection, lease)
        return self._pace.busy_s

    def _drain(self, connection: Connection, lease: Lease) -> None:
        """Relay batches until one is not full."""
        while True:
            started = time.monotonic()
            count = self._batch(connection, lease)
            self._recovered()
            self._renewed = started
            RELAYED.labels(self._name).inc(count)
            BATCH_S.labels(self._name).observe(time.monotonic() - started)
            if count < self._pace.most:
                return

    def _batch(self, connection: Connection, lease: Lease) -> int:
        connection.execute("begin")
        rows = take(
            connection,
            lease,
            region=self._region,
            work=self._work,
            most=self._pace.most,
            ttl_s=self._pace.lease_s,
        )
        if rows:
            self._sink.deliver(rows, deadline_s=self._pace.deadline_s)
        connection.execute("commit")
        return len(rows)

    def _pause_after(self, quiet_s: float) -> float:
        """Return the pause after a look at an empty outbox: short while rows came a moment ago, then longer."""
        keen_s = self._pace.keen_s
        return self._pace.busy_s if quiet_s < keen_s else min(self._pace.idle_s, self._pace.busy_s * quiet_s / keen_s)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(self._settings)
            # A relay that froze in mid-batch must not hold its rows and the lease's lock for ever.
            limit_ms = int(2 * self._pace.deadline_s * 1000)
            self._connection.execute(f"set idle_in_transaction_session_timeout = {limit_ms}")
        return self._connection

    def _held(self, connection: Connection) -> Lease | None:
        """Return the lease, acquired or renewed as need be, or None while another relay has it."""
        now = time.monotonic()
        if self._lease is None:
            self._lease = acquire(connection, self._lease_name, self._owner, ttl_s=self._pace.lease_s)
            if self._lease is not None:
                self._renewed = now
                LEADER.labels(self._name).set(1)
                self._log.info("lease acquired", epoch=self._lease.epoch)
        elif now - self._renewed > self._pace.lease_s / 3:
            if not renew(connection, self._lease, ttl_s=self._pace.lease_s):
                self._lose_lease("lease lost while idle")
            self._renewed = now
        return self._lease

    def _lose_lease(self, why: str) -> None:
        self._lease = None
        LEADER.labels(self._name).set(0)
        self._rollback()
        self._log.warning(why)

    def _rollback(self) -> None:
        """Give the rows back. A connection that can't even do that is dropped, which has the same effect."""
        if self._connection is None:
            return
        try:
            self._connection.execute("rollback")
        except _POSTGRES_TROUBLE as error:
            self._log.warning("rollback failed", error=str(error))
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _failed(self, cause: str, error: Exception) -> float:
        self._failures += 1
        self._unsure = True
        FAILURES.labels(self._name, cause).inc()
        log = self._log.error if self._failures >= _ALARM_AFTER else self._log.warning
        log("batch rolled back", cause=cause, error=str(error), in_a_row=self._failures)
        return pause_s(self._failures, first_s=0.1, longest_s=1.0)

    def _recovered(self) -> None:
        if self._failures:
            self._log.info("relaying again", after_failures=self._failures)
        self._failures = 0

    def _leave(self) -> float:
        if self._connection is not None and self._lease is not None:
            release(self._connection, self._lease)
        self._disconnect()
        self._sink.close()
        return 0.0


def run(lanes: Sequence[Lane], stop: threading.Event) -> None:
    """Run the lanes side by side until `stop` is set; a lane that dies ends the others, and its error is raised."""
    with ThreadPoolExecutor(len(lanes), thread_name_prefix="lane") as pool:
        running = [pool.submit(lane.run, stop) for lane in lanes]
        for _ in as_completed(running):
            stop.set()
        for ended in running:
            ended.result()


def _work_sink() -> Sink:
    """Return the way to Pub/Sub; with an emulator, which forgets everything, it makes topics and subscriptions too."""
    from shared.adapters.pubsub.publisher import WorkSink

    settings = GoogleSettings.from_env()
    return WorkSink(settings, _subscribe if settings.pubsub_emulator else _nothing)


def _nothing() -> None:
    """In the cloud Terraform has made the topics."""


def _subscribe() -> None:
    from shared.adapters.pubsub.subscriptions import PushRoute, ensure_topics
    from shared.edge.identity import mint_service_token
    from triggers.registry import load

    url = FunctionUrlSettings.from_env()
    routes = [PushRoute(entry.topic, url.of(entry.operation)) for entry in load().works()]
    ensure_topics(GoogleSettings.from_env().project, routes, partial(mint_service_token, "pubsub", _PUSH_TOKEN_S))


def _main() -> None:
    postgres, region = PostgresSettings.from_env(), RegionSettings.from_env().name
    kafka, work = KafkaSink(KafkaSettings.from_env()), _work_sink()
    stop = threading.Event()
    worker.on_stop(stop.set)
    run([Lane(postgres, region, "facts", kafka), Lane(postgres, region, "work", work)], stop)


if __name__ == "__main__":
    sys.exit(worker.run(_main))
