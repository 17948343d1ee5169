"""`python -m shared.adapters.postgres.replay`: rebuild every state from its events and compare it with its row.

Shops, menus, stock, orders, payments and claims are folds of facts; a row that differs from its fold, an event whose
hash does not follow, a row without events or events without a row is a difference, and the exit code is 1.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any, Final

from shared.adapters.postgres.database import Connection, Sql
from shared.adapters.postgres.discount_fold import DiscountFold
from shared.adapters.postgres.event_rows import COLUMNS, recorded
from shared.adapters.postgres.order_slots import DRIFT
from shared.adapters.postgres.statement import StateTable, rows_sql
from shared.adapters.postgres.stock_fold import StockFold
from shared.adapters.postgres.store import stored
from shared.adapters.postgres.tables import STREAMS, UNREPLAYED
from shared.kernel.decision import Stored
from shared.kernel.facts import Recorded, broken_at, fact_of
from shared.settings import PostgresSettings

BATCH: Final = 5_000
TOGETHER: Final = 500
History = Sequence[Recorded]
"""A stream from its first event on."""
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
        counts = dict.fromkeys(STREAMS, 0)
        for prefix, histories in _batches(_events(connection)):
            for history in histories:
                report.events += len(history)
                report.differences += _broken(history)
                for event in history:
                    stock.add(event)
                    discounts.add(event)
            report.streams += len(histories)
            if prefix in STREAMS:
                counts[prefix] += len(histories)
                report.differences += _compare(connection, STREAMS[prefix], histories)
            elif prefix not in UNREPLAYED:
                report.differences += [f"{history[0].stream}: no state table is known for it" for history in histories]
        report.differences += _rows_without_events(connection, counts)
        report.differences += [*stock.differences(connection), *discounts.differences(connection)]
        report.differences += [f"{slot}: counts other orders than it has" for (slot,) in connection.execute(DRIFT)]
    finally:
        connection.execute("rollback")
    return report


def _events(connection: Connection) -> Iterator[Recorded]:
    stream, version = "", 0
    while rows := connection.run(_AFTER, {"after": stream, "version": version}):
        yield from map(recorded, rows)
        stream, version = rows[-1][0], rows[-1][1]


def _batches(events: Iterator[Recorded]) -> Iterator[tuple[str, list[History]]]:
    """Yield whole streams of one prefix, up to `TOGETHER` of them: their rows are read at once."""
    streams: Iterator[History] = (list(of_one) for _, of_one in groupby(events, key=lambda event: event.stream))
    for prefix, histories in groupby(streams, key=lambda history: history[0].stream.partition("_")[0]):
        while together := list(islice(histories, TOGETHER)):
            yield prefix, together


def _broken(history: History) -> Iterator[str]:
    broken = broken_at(history)
    if broken is not None:
        yield f"{history[0].stream}: the hash chain breaks at version {broken}"


def _compare(connection: Connection, table: StateTable[Any], histories: Sequence[History]) -> Iterator[str]:
    """Yield in what the rows of some streams differ from what their events make of them."""
    sql = rows_sql(table, f"where {table.key} = any(:ids::text[])")
    rows = connection.run(sql, {"ids": [history[0].stream for history in histories]})
    found = {str(getattr(row.state, table.key)): row for row in (stored(table.model, row) for row in rows)}
    for history in histories:
        yield from _difference(table, history, found.get(history[0].stream))


def _difference(table: StateTable[Any], history: History, row: Stored[Any] | None) -> Iterator[str]:
    stream = history[0].stream
    if row is None:
        yield f"{stream}: {len(history)} events and no row in {table.name}"
        return
    state = table.after(None, [fact_of(event.type, event.body) for event in history])
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
