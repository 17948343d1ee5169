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
STILL_S: Final = 16.0
"""Three rounds of whoever sends refunds."""
_WAIT: Final = "refunds that wait for coins"
_GO: Final = "refunds on their way"
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
    "select r->>'delayed' = 'coins_gone' and r->>'state' = 'approved', string_agg(concat_ws(' ', r->>'refund_id',"
    " r->>'state', r->>'delayed', r->'amount'->>'units', r->'amount'->>'asset', 'of', payment_id), ', '), count(*)"
    " from payments, jsonb_array_elements(refunds) as r"
    " where r->>'state' in ('approved', 'signed', 'broadcast', 'mined') group by 1"
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
    """Wait until nothing is left to do but refunds of coins that the chain has taken back: these wait for ever."""
    began = time.monotonic()
    said, still_since = 0.0, began
    while True:
        time.sleep(0.3)
        now, left = time.monotonic(), _left(ground)
        if not left:
            return
        if any(not each.startswith(_WAIT) for each in left):
            still_since = now
        elif now - still_since > STILL_S:
            return
        if now - began > DEADLINE_S:
            raise NotQuiet(f"not within {DEADLINE_S:g} s: {'; '.join(left)}")
        if now - said > 5:
            said = now
            say(f"coming to rest: {'; '.join(left)}")
        sent = [each for each in left if each.startswith(_GO)]
        if sent and len(left) - len(sent) == sum(each.startswith(_WAIT) for each in left):
            # Everything is read: what is signed needs blocks.
            for chain, miner in ground.miners.items():
                miner.settle(BURIED[chain] // 2)


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
    ):
        if count := connection.run(sql, {})[0][0]:
            left.append(f"{count} {what}")
    for waits, named, count in connection.run(_REFUNDS, {}):
        left.append(f"{_WAIT if waits else _GO}: {count}, {named[:400]}")
    return left
