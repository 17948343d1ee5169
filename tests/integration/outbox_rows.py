"""Rows for the outbox, and readers of the topics they go to."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition

from shared.adapters.postgres.database import Connection, Sql
from shared.kernel.encoding import to_json
from shared.kernel.ids import EventId
from shared.settings import PostgresSettings

PUT = Sql(
    """
insert into outbox (event_id, topic, key, region, body)
select event_id, topic, key, region, convert_to(body, 'UTF8')
  from jsonb_to_recordset(:rows::jsonb) as r(n int, event_id text, topic text, key text, region text, body text)
 order by n
"""
)
COUNT = Sql("select count(*) from outbox")


@dataclass(frozen=True)
class Waiting:
    """A row to be relayed: the n-th of its key."""

    event_id: str
    topic: str
    key: str
    number: int

    @property
    def body(self) -> str:
        type_ = "test.counted.v1"
        return json.dumps({"id": self.event_id, "type": type_, "subject": self.key, "data": {"number": self.number}})


def rows_for(topic: str, *, keys: int, each: int) -> list[Waiting]:
    """Return `each` numbered rows for every key, the keys taking turns."""
    return [Waiting(EventId.new(), topic, f"ord_{key}", n) for n in range(1, each + 1) for key in range(keys)]


def put(connection: Connection, rows: Sequence[Waiting], *, region: str = "here") -> None:
    """Insert the rows in order, in one commit."""
    values = [
        {"n": n, "event_id": row.event_id, "topic": row.topic, "key": row.key, "region": region, "body": row.body}
        for n, row in enumerate(rows)
    ]
    connection.run(PUT, {"rows": to_json(values)})


def waiting(connection: Connection) -> int:
    """Return how many rows the outbox holds."""
    return int(connection.run(COUNT, {})[0][0])


def connect(url: str) -> Connection:
    """Return a connection for the test itself."""
    return Connection(PostgresSettings(url))


@dataclass(frozen=True)
class Arrived:
    """A record as a consumer sees it."""

    event_id: str
    key: str
    number: int


def read_topic(bootstrap: str, topic: str, *, until: set[str], deadline_s: float = 30.0) -> list[Arrived]:
    """Return the records of a topic in order per partition, from its beginning until every event id was seen.

    Raises AssertionError naming how many are missing at the deadline.
    """
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": f"reader-{topic}", "enable.auto.commit": False, "log_level": 0}
    )
    partitions = list(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    seen: list[Arrived] = []
    missing = set(until)
    end = time.monotonic() + deadline_s
    while missing:
        assert time.monotonic() < end, f"{len(missing)} of {len(until)} records did not arrive"
        message = consumer.poll(0.2)
        if message is None or message.error():
            continue
        seen.append(_arrived(message.value() or b""))
        missing.discard(seen[-1].event_id)
    while (message := consumer.poll(0.3)) is not None:
        if not message.error():
            seen.append(_arrived(message.value() or b""))
    consumer.close()
    return seen


def first_seen(records: Sequence[Arrived]) -> dict[str, list[int]]:
    """Return the numbers of each key in the order of their first arrival."""
    numbers: dict[str, list[int]] = {}
    for record in records:
        of_key = numbers.setdefault(record.key, [])
        if record.number not in of_key:
            of_key.append(record.number)
    return numbers


def _arrived(value: bytes) -> Arrived:
    said = json.loads(value)
    return Arrived(said["id"], said["subject"], said["data"]["number"])
