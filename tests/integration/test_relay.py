"""The relay on the real Postgres and Kafka: order, takeover, and that no fault loses a row."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from emulators.component import Running
from emulators.kafka import Kafka
from shared.adapters.delivery import Undelivered
from shared.adapters.postgres.outbox import Outgoing
from shared.settings import KafkaSettings, PostgresSettings
from tests.integration import outbox_rows
from tests.integration.outbox_rows import connect, first_seen, put, read_topic, rows_for
from triggers.relay import KafkaSink, Lane, Pace, Sink

QUICK = Pace(lease_s=0.6, standby_s=0.05, deadline_s=1.0)
STALLING = """
import sys, threading, time
from pathlib import Path
from shared.settings import KafkaSettings, PostgresSettings
from triggers.relay import KafkaSink, Lane, Pace

class Stalling(KafkaSink):
    def deliver(self, rows, *, deadline_s):
        super().deliver(rows, deadline_s=deadline_s)
        Path(sys.argv[3]).write_text(str(len(rows)))
        time.sleep(3600)

sink = Stalling(KafkaSettings(sys.argv[2]))
Lane(PostgresSettings(sys.argv[1]), "here", "facts", sink, Pace(lease_s=0.6, deadline_s=1.0)).run(threading.Event())
"""


@contextmanager
def relaying(url: str, sink: Sink, *, pace: Pace = QUICK, name: str = "facts") -> Iterator[None]:
    """Run a lane in a thread for the length of the block; what it raises is raised."""
    stop = threading.Event()
    raised: list[BaseException] = []

    def run() -> None:
        try:
            Lane(PostgresSettings(url), "here", name, sink, pace).run(stop)
        except BaseException as error:
            raised.append(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
    assert not raised
    assert not thread.is_alive()


def wait_until(condition: Callable[[], bool], what: str, *, deadline_s: float = 20.0) -> None:
    """Return once the condition holds; AssertionError naming `what` otherwise."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.01)


@dataclass
class Recording:
    """A sink in memory that can be told to refuse."""

    refuse: bool = False
    batches: list[list[str]] = field(default_factory=list)
    refusals: int = 0

    def deliver(self, rows: Sequence[Outgoing], *, deadline_s: float) -> None:
        if self.refuse:
            self.refusals += 1
            raise Undelivered("refused")
        self.batches.append([row.event_id for row in rows])

    def recover(self) -> None: ...

    def close(self) -> None: ...

    @property
    def seen(self) -> list[str]:
        return [event_id for batch in self.batches for event_id in batch]


def test_rows_reach_kafka_in_order_per_key_and_leave_the_outbox(database: str, kafka: Running, topic: str) -> None:
    rows = rows_for(topic, keys=7, each=300)
    connection = connect(database)
    sink = KafkaSink(KafkaSettings(kafka.env["KAFKA_BOOTSTRAP_SERVERS"]))
    with relaying(database, sink):
        for start in range(0, len(rows), 100):
            put(connection, rows[start : start + 100])
        arrived = read_topic(sink.settings.bootstrap, topic, until={row.event_id for row in rows})
        wait_until(lambda: outbox_rows.waiting(connection) == 0, "the outbox is empty")
    assert len(arrived) == len(rows)
    assert first_seen(arrived) == {f"ord_{key}": list(range(1, 301)) for key in range(7)}


def test_a_relay_killed_between_flush_and_commit_repeats_and_loses_nothing(
    database: str, kafka: Running, topic: str, tmp_path: Path
) -> None:
    rows = rows_for(topic, keys=5, each=20)
    connection = connect(database)
    put(connection, rows)
    bootstrap, mark = kafka.env["KAFKA_BOOTSTRAP_SERVERS"], tmp_path / "delivered"
    doomed = subprocess.Popen([sys.executable, "-c", STALLING, database, bootstrap, str(mark)])
    wait_until(mark.exists, "the doomed relay delivered a batch", deadline_s=30)
    os.kill(doomed.pid, signal.SIGKILL)
    doomed.wait()
    more = rows_for(topic, keys=5, each=1)
    with relaying(database, KafkaSink(KafkaSettings(bootstrap))):
        put(connection, [outbox_rows.Waiting(row.event_id, topic, row.key, 21) for row in more])
        wait_until(lambda: outbox_rows.waiting(connection) == 0, "the outbox is empty")
    arrived = read_topic(bootstrap, topic, until={row.event_id for row in rows + more})
    assert len(arrived) == 2 * len(rows) + len(more)
    assert first_seen(arrived) == {f"ord_{key}": list(range(1, 22)) for key in range(5)}


def test_a_relay_frozen_in_mid_batch_gives_its_rows_to_the_next(
    database: str, kafka: Running, topic: str, tmp_path: Path
) -> None:
    rows = rows_for(topic, keys=3, each=5)
    connection = connect(database)
    put(connection, rows)
    bootstrap, mark = kafka.env["KAFKA_BOOTSTRAP_SERVERS"], tmp_path / "delivered"
    frozen = subprocess.Popen([sys.executable, "-c", STALLING, database, bootstrap, str(mark)])
    try:
        wait_until(mark.exists, "the relay delivered a batch", deadline_s=30)
        os.kill(frozen.pid, signal.SIGSTOP)
        with relaying(database, KafkaSink(KafkaSettings(bootstrap))):
            wait_until(lambda: outbox_rows.waiting(connection) == 0, "another relay emptied the outbox")
    finally:
        os.kill(frozen.pid, signal.SIGKILL)
        frozen.wait()
    arrived = read_topic(bootstrap, topic, until={row.event_id for row in rows})
    assert first_seen(arrived) == {f"ord_{key}": [1, 2, 3, 4, 5] for key in range(3)}


def test_while_one_relay_works_another_stands_by_and_takes_over_at_its_end(database: str) -> None:
    connection = connect(database)
    first, second = Recording(), Recording()
    with relaying(database, first):
        put(connection, rows_for("order-events", keys=1, each=1))
        wait_until(lambda: bool(first.seen), "the first relay works")
        with relaying(database, second):
            put(connection, rows_for("order-events", keys=1, each=50))
            wait_until(lambda: len(first.seen) == 51, "the first relay goes on")
            assert second.seen == []
    with relaying(database, second):
        put(connection, rows_for("order-events", keys=1, each=1))
        wait_until(lambda: len(second.seen) == 1, "the second relay takes over")


def test_a_relay_whose_lease_was_taken_delivers_nothing_more(database: str) -> None:
    connection = connect(database)
    sink = Recording()
    with relaying(database, sink, pace=Pace(lease_s=60)):
        put(connection, rows_for("order-events", keys=1, each=1))
        wait_until(lambda: len(sink.seen) == 1, "the relay works")
        connection.execute("update leases set epoch = epoch + 1, owner = 'another', expires_at = now() + interval '1h'")
        put(connection, rows_for("order-events", keys=1, each=5))
        held = Recording()
        with relaying(database, held):
            assert not held.seen
        assert outbox_rows.waiting(connection) == 5
        assert len(sink.seen) == 1


def test_rows_wait_while_the_broker_refuses_and_go_out_afterwards(database: str) -> None:
    connection = connect(database)
    sink = Recording(refuse=True)
    rows = rows_for("order-events", keys=2, each=10)
    put(connection, rows)
    with relaying(database, sink):
        wait_until(lambda: sink.refusals >= 2, "the relay keeps trying")
        assert outbox_rows.waiting(connection) == 20
        sink.refuse = False
        wait_until(lambda: outbox_rows.waiting(connection) == 0, "the outbox is empty")
    assert sink.seen == [row.event_id for row in rows]


def test_a_relay_survives_losing_its_database_connections(database: str) -> None:
    connection = connect(database)
    sink = Recording()
    with relaying(database, sink):
        put(connection, rows_for("order-events", keys=1, each=1))
        wait_until(lambda: len(sink.seen) == 1, "the relay works")
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
            " and datname = current_database()"
        )
        put(connection, rows_for("order-events", keys=1, each=5))
        wait_until(lambda: len(sink.seen) == 6, "the relay works again")


def test_each_lane_takes_its_own_rows_and_its_own_region(database: str) -> None:
    connection = connect(database)
    facts, work = Recording(), Recording()
    put(connection, rows_for("order-events", keys=1, each=2))
    put(connection, rows_for("work:send-email", keys=1, each=3))
    put(connection, rows_for("order-events", keys=1, each=4), region="elsewhere")
    with relaying(database, facts), relaying(database, work, name="work"):
        wait_until(lambda: outbox_rows.waiting(connection) == 4, "only the other region's rows are left")
    assert (len(facts.seen), len(work.seen)) == (2, 3)


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Kafka(light=os.environ.get("PROFILE") == "light").start(tmp_path_factory.mktemp("kafka"))
    yield running
    running.stop(grace_s=0)


def test_facts_survive_a_kafka_that_is_killed_and_comes_back(database: str, own_kafka: Running) -> None:
    bootstrap = own_kafka.env["KAFKA_BOOTSTRAP_SERVERS"]
    connection = connect(database)
    before, during = rows_for("order-events", keys=3, each=50), rows_for("order-events", keys=3, each=51)[-3:]
    with relaying(database, KafkaSink(KafkaSettings(bootstrap)), pace=Pace(lease_s=1.0, deadline_s=2.0)):
        put(connection, before)
        wait_until(lambda: outbox_rows.waiting(connection) == 0, "the relay works")
        own_kafka.kill()
        put(connection, during)
        assert outbox_rows.waiting(connection) == 3
        own_kafka.restart()
        wait_until(lambda: outbox_rows.waiting(connection) == 0, "the relay works again", deadline_s=30)
    arrived = read_topic(bootstrap, "order-events", until={row.event_id for row in during})
    assert all(numbers == sorted(numbers) for numbers in first_seen(arrived).values())
