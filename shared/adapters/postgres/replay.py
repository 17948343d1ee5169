"""`python -m shared.adapters.postgres.replay`: rebuild every state from its events and compare it with its row.

Shops, menus, stock, orders, payments and claims are folds of facts; a row that differs from its fold, an event whose
hash does not follow, a row without events or events without a row is a difference, and the exit code is 1.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from shared.adapters.postgres.database import Connection, Sql
from shared.adapters.postgres.discount_fold import DiscountFold
from shared.adapters.postgres.event_rows import COLUMNS, recorded
from shared.adapters.postgres.statement import StateTable, load_sql
from shared.adapters.postgres.stock_fold import StockFold
from shared.adapters.postgres.store import stored
from shared.adapters.postgres.tables import STREAMS, UNREPLAYED
from shared.kernel.facts import Recorded, broken_at, fact_of
from shared.settings import PostgresSettings

BATCH: Final = 5_000
_AFTER: Final = Sql(
    f"select {COLUMNS} from events where (stream, version) > (:after, :version::bigint)"
    f" order by stream, version limit {BATCH}"
)


@dataclass(slots=True)
class Report:
    """What a replay found."""

    streams: int = 0
    events: int = 0
    differences: list[str] = field(default_factory=list)


def replay(connection: Connection) -> Report:
    """Return what a replay of everything finds. Reads only, in one snapshot."""
    report, stock, discounts = Report(), StockFold(), DiscountFold()
    connection.execute("begin isolation level repeatable read read only")
    try:
        loads = {prefix: load_sql(table) for prefix, table in STREAMS.items()}
        counts = dict.fromkeys(STREAMS, 0)
        for stream, events in groupby(_events(connection), key=lambda event: event.stream):
            history = list(events)
            report.streams += 1
            report.events += len(history)
            broken = broken_at(history)
            if broken is not None:
                report.differences.append(f"{stream}: the hash chain breaks at version {broken}")
            for event in history:
                stock.add(event)
                discounts.add(event)
            prefix = stream.partition("_")[0]
            if prefix in STREAMS:
                counts[prefix] += 1
                rows = connection.run(loads[prefix], {"id": stream})
                report.differences += _compare(STREAMS[prefix], stream, history, rows)
            elif prefix not in UNREPLAYED:
                report.differences.append(f"{stream}: no state table is known for it")
        report.differences += _rows_without_events(connection, counts)
        report.differences += [*stock.differences(connection), *discounts.differences(connection)]
    finally:
        connection.execute("rollback")
    return report


def _events(connection: Connection) -> Iterator[Recorded]:
    stream, version = "", 0
    while rows := connection.run(_AFTER, {"after": stream, "version": version}):
        yield from map(recorded, rows)
        stream, version = rows[-1][0], rows[-1][1]


def _compare(
    table: StateTable[Any], stream: str, history: Sequence[Recorded], rows: Sequence[Sequence[Any]]
) -> Iterator[str]:
    state: Any = None
    for event in history:
        state = table.evolve(state, fact_of(event.type, event.body))
    if not rows:
        yield f"{stream}: {len(history)} events and no row in {table.name}"
        return
    row = stored(table.model, rows[0])
    if row.version != history[-1].version or row.head != history[-1].hash:
        yield f"{stream}: {table.name} is at version {row.version}, its events at {history[-1].version}"
    if row.state != state:
        differing = sorted(name for name in table.columns if getattr(row.state, name) != getattr(state, name))
        yield f"{stream}: {table.name} differs from its events in {', '.join(differing)}"


def _rows_without_events(connection: Connection, counts: Mapping[str, int]) -> Iterator[str]:
    for prefix, table in STREAMS.items():
        rows = connection.execute(f"select count(*) from {table.name} where version > 0")
        if rows[0][0] != counts[prefix]:
            yield f"{table.name}: {rows[0][0]} rows, {counts[prefix]} streams of events"


def main() -> int:
    """Replay the database that DATABASE_URL names, say what was found, and exit with 1 where anything differs."""
    connection = Connection(PostgresSettings.from_env())
    try:
        report = replay(connection)
    finally:
        connection.close()
    for difference in report.differences:
        sys.stdout.write(f"replay: {difference}\n")
    sys.stdout.write(
        f"replay: {report.streams} streams, {report.events} events, {len(report.differences)} differences\n"
    )
    return 1 if report.differences else 0


if __name__ == "__main__":
    sys.exit(main())
