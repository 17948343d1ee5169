"""Bringing a run to rest: nothing disturbs any more, the chains are final, every fact has been taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from pg8000.exceptions import DatabaseError, InterfaceError

from shared.adapters.postgres.database import Connection, Sql
from tests.chaos.ground import Ground
from tests.chaos.plan import BITCOIN, EVM
from triggers.registry import load

DEADLINE_S: Final = 120.0
BURIED: Final = {BITCOIN: 14, EVM: 40}
"""As many blocks on top make everything final."""
_CURSORS: Final = Sql("select chain, height from chain_cursors")
_OUTBOX: Final = Sql("select count(*) from outbox")
_UNTAKEN: Final = Sql(
    "select s.operation, e.type, count(*) from unnest(:operations::text[], :facts::text[]) as s(operation, type)"
    " join events e on e.type = s.type where not exists (select from inbox i where i.operation = s.operation"
    " and i.event_id = e.id) and not exists (select from parked p where p.operation = s.operation"
    " and p.event_id = e.id) group by 1, 2"
)
_UNDECIDED: Final = Sql(
    "select count(*) from payments where not expired and ((settled and not final)"
    " or (not settled and included >= due - tolerance))"
)
_REFUNDS: Final = Sql(
    "select count(*) from payments, jsonb_array_elements(refunds) as r"
    " where r->>'state' in ('approved', 'signed', 'broadcast', 'mined')"
)
_BUSY: Final = Sql("select count(*) from orders where changed_at > clock_timestamp() - interval '2 seconds'")


class NotQuiet(Exception):
    """The platform did not come to rest in time; the message names what is left."""


def settle_down(ground: Ground, say: Callable[[str], None], last: Callable[[], None] = lambda: None) -> None:
    """Bury what was paid, and return when the platform has dealt with everything. Raises NotQuiet.

    `last` is done when everything is buried; blocks go on for as long as a refund is under way.
    """
    for chain, miner in ground.miners.items():
        miner.settle(BURIED[chain])
    _at_rest(ground, say)
    last()
    _at_rest(ground, say)


def _at_rest(ground: Ground, say: Callable[[str], None]) -> None:
    end, left = time.monotonic() + DEADLINE_S, ["everything"]
    said = 0.0
    while left:
        if time.monotonic() > end:
            raise NotQuiet(f"not within {DEADLINE_S:g} s: {'; '.join(left)}")
        if time.monotonic() - said > 5:
            said = time.monotonic()
            say(f"coming to rest: {'; '.join(left)}")
        time.sleep(0.3)
        left = _left(ground)
        if any("refunds" in each for each in left):
            for miner in ground.miners.values():
                miner.mine()


def _left(ground: Ground) -> list[str]:
    try:
        connection = ground.connection()
    except (OSError, DatabaseError, InterfaceError) as away:
        return [f"the database is away ({type(away).__name__})"]
    try:
        return [*_unread(ground, connection), *_undelivered(connection)]
    finally:
        connection.close()


def _unread(ground: Ground, connection: Connection) -> list[str]:
    tips = {chain: miner.height() for chain, miner in ground.miners.items()}
    read = {str(chain): int(height) for chain, height in connection.run(_CURSORS, {})}
    return [f"{chain} is read to {read.get(chain)} of {tip}" for chain, tip in tips.items() if read.get(chain) != tip]


def _undelivered(connection: Connection) -> list[str]:
    subscribed = [(entry.operation, type_) for entry in load().events() for type_ in entry.on]
    params = {"operations": [each[0] for each in subscribed], "facts": [each[1] for each in subscribed]}
    left = [f"{operation} lacks {n} {type_}" for operation, type_, n in connection.run(_UNTAKEN, params)]
    for sql, what in (
        (_OUTBOX, "facts unpublished"),
        (_UNDECIDED, "payments undecided"),
        (_BUSY, "orders in motion"),
        (_REFUNDS, "refunds on their way"),
    ):
        if count := connection.run(sql, {})[0][0]:
            left.append(f"{count} {what}")
    return left
