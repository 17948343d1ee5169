"""What followed from what: the facts of everything that one order set going, and who acted on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.adapters.postgres.database import Connection, Sql

_TRACE: Final = Sql(
    "select e.at, e.stream, e.version, e.type, e.id, e.causation, e.actor, e.correlation,"
    " coalesce((select array_agg(i.operation order by i.at) from inbox i where i.event_id = e.id), '{}')"
    " from events e where e.stream = :id"
    " or e.correlation in (select c.correlation from events c where c.stream = :id) order by e.at, e.id"
)


@dataclass(frozen=True, slots=True)
class Traced:
    """One fact, and the operations whose inbox has it."""

    at: datetime
    stream: str
    version: int
    type: str
    id: str
    causation: str | None
    actor: str
    correlation: str
    acted: Sequence[str]


def trace(connection: Connection, stream: str) -> list[Traced]:
    """Return every fact of a stream, and of the others that share a correlation id with it, in order of time.

    Reads the whole table: for people who look at one order on their own machine.
    """
    return [Traced(*row) for row in connection.run(_TRACE, {"id": stream})]
