"""What followed from what: the facts of everything that one order set going, and who acted on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.adapters.postgres.database import Connection, Sql

_TRACE: Final = Sql(
    "with recursive the_order(id) as ("
    "  select coalesce((select order_id from payments where payment_id = :id),"
    "    (select order_id from claims where claim_id = :id), :id)),"
    " own as (select e.* from events e where e.stream in (select :id"
    "  union select id from the_order"
    "  union select payment_id from payments where order_id = (select id from the_order)"
    "  union select claim_id from claims where order_id = (select id from the_order)"
    "  union select reservation_id from stock_holds where order_id = (select id from the_order))),"
    " followed as (select * from own union select e.* from events e join followed f on e.causation = f.id),"
    " told as (select * from followed union select * from events where id in (select causation from own))"
    " select e.at, e.stream, e.version, e.type, e.id, e.causation, e.actor, e.correlation,"
    "  coalesce((select array_agg(i.operation order by i.at) from inbox i where i.event_id = e.id), '{}')"
    " from told e order by e.at, e.stream like 'chain%' desc, e.stream, e.version"
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
    """Return the facts of an order, its payments, claim and stock, what caused them and what followed, by time.

    A payment's or a claim's id stands for its order; another stream is told alone, with what followed.
    Reads the whole table: for people who look at one order on their own machine.
    """
    return [Traced(*row) for row in connection.run(_TRACE, {"id": stream})]
