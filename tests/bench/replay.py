"""Replay: every event hashed again and folded, every row compared, against reading those events and no more.

The events are those of placed orders, each with its lines, its stock and its chain of hashes.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from emulators.postgres import create_database
from shared.adapters.postgres.database import Connection, Sql
from shared.adapters.postgres.event_rows import COLUMNS
from shared.adapters.postgres.migrate import migrate
from shared.adapters.postgres.replay import replay
from shared.orders.create_order import create_order
from shared.settings import PostgresSettings
from tests.bench.furnish import PATIENT_S
from tests.bench.ground import Ground
from tests.bench.row import VALUE, BenchFailed, Probe, Readings, Row
from tests.integration.ordering import Ordering, customer

ORDERS: Final = 5_000
_AT_ONCE: Final = 64
_READ: Final = Sql(f"select {COLUMNS} from events order by stream, version")


def rows(ground: Ground) -> Sequence[Row]:
    """Return the row."""
    count = ORDERS if ground.full else ORDERS // 10
    url = create_database(ground.engine("postgres").env["DATABASE_URL"], "replayed")
    settings = PostgresSettings(url, statement_timeout_s=PATIENT_S)
    migrate(settings)
    ground.run(_placed(url, count))
    connection = Connection(settings)
    ground.at_end(connection.close)

    def replayed() -> int:
        return replay(connection).events

    def read() -> int:
        return len(connection.run(_READ, {}))

    replaying = Probe("events replayed and compared", "events/s", lambda seconds: _rate(replayed, count, seconds))
    reading = Probe("the same events read", "events/s", lambda seconds: _rate(read, count, seconds))
    return [Row("replay, one process", replaying, reading, goal=0.1)]


async def _placed(url: str, count: int) -> None:
    ordering = Ordering(url)
    await ordering.stocked(count)
    for start in range(0, count, _AT_ONCE):
        keys = range(start, min(start + _AT_ONCE, count))
        placing = (create_order(ordering.wanted(), by=customer(f"k{key}"), using=ordering.orders) for key in keys)
        await asyncio.gather(*placing)
    ordering.db.close()


def _rate(work: Callable[[], int], count: int, seconds: float) -> Readings:
    """Return how many events a second went through `work`, which goes through all of them."""
    began, done = time.perf_counter(), 0
    while not done or time.perf_counter() - began < seconds:
        if (went := work()) != count:
            raise BenchFailed(f"{went} events of {count}")
        done += went
    return {VALUE: done / (time.perf_counter() - began)}
