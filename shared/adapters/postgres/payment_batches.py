"""Many payments decided about in one transaction, so that one which can't be decided about stops no other."""

from collections.abc import Callable, Sequence

from pg8000.exceptions import DatabaseError, InterfaceError

from shared.adapters.postgres.database import Connection, Row
from shared.adapters.postgres.refusals import failure_of
from shared.adapters.postgres.store import stored
from shared.kernel.decision import Stored
from shared.kernel.errors import Transient
from shared.kernel.facts import Fact
from shared.payments.model import Payment

Judge = Callable[[Sequence[Stored[Payment]]], Callable[[Stored[Payment]], Sequence[Fact]]]
"""From all payments of a batch to the rule that each is decided by, one after the other."""


def settled_first(found: Sequence[Stored[Payment]]) -> Sequence[Stored[Payment]]:
    """Return them so that an order whose payment is taken back can be settled by another one of the same batch."""
    return sorted(found, key=lambda payment: not payment.state.settled)


def one_by_one(
    connection: Connection,
    rows: Sequence[Row],
    judge: Judge,
    append: Callable[[Sequence[tuple[Stored[Payment], Sequence[Fact]]]], int],
    failures: list[Exception],
) -> int:
    """Decide about each payment by itself; what goes wrong with one is kept in `failures`. Return how many changed.

    Each is judged by what is stored then: what another one's failed decision would have been counts for nothing.
    """
    found: list[Stored[Payment]] = []
    for row in rows:
        try:
            found.append(stored(Payment, row))
        except ValueError as error:
            failures.append(error)
    changed = 0
    for payment in settled_first(found):
        connection.execute("savepoint one")
        try:
            changed += append([(payment, judge([payment])(payment))])
        except (Transient, InterfaceError, OSError):
            raise
        except Exception as error:
            if isinstance(error, DatabaseError) and isinstance(failure_of(error), Transient):
                raise
            connection.execute("rollback to savepoint one")
            failures.append(error)
    return changed
