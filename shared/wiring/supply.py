"""Supply, composed."""

from functools import cache

from shared.adapters.postgres.inbox import PostgresInbox
from shared.adapters.postgres.supply import (
    PostgresHolds,
    PostgresOrderStandings,
    PostgresReceipts,
    PostgresShelves,
    PostgresShopOwners,
)
from shared.supply.ports import Supply
from shared.wiring.resources import clock, database, region


@cache
def supply() -> Supply:
    """Return everything the operations of supply are given."""
    db = database()
    return Supply(
        receipts=PostgresReceipts(db, region=region()),
        holds=PostgresHolds(db, region=region()),
        shelves=PostgresShelves(db),
        shops=PostgresShopOwners(db),
        orders=PostgresOrderStandings(db),
        inbox=PostgresInbox(db),
        clock=clock(),
    )
