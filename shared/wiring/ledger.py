"""The ledger, composed."""

from functools import cache

from shared.adapters.postgres.ledger import PostgresLedger
from shared.adapters.postgres.ledger_snapshots import PostgresSnapshots
from shared.payments.bookkeeping import Bookkeeping
from shared.wiring.resources import database


@cache
def bookkeeping() -> Bookkeeping:
    """Return everything the ledger's operations are given."""
    return Bookkeeping(ledger=PostgresLedger(database()))


@cache
def snapshots() -> PostgresSnapshots:
    """Return what keeps balances as they were."""
    return PostgresSnapshots(database())
