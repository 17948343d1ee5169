"""Supply, composed."""

from functools import cache

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.inbox import PostgresInbox
from shared.adapters.postgres.recipes import PostgresMenuProducts, PostgresRecipes
from shared.adapters.postgres.stock_items import PostgresStockItems
from shared.adapters.postgres.supply import (
    PostgresAdjustments,
    PostgresHolds,
    PostgresOrderStandings,
    PostgresReceipts,
    PostgresShelves,
    PostgresShopOwners,
    PostgresTransfers,
)
from shared.kernel.clock import Clock
from shared.supply.ports import Supply
from shared.wiring.resources import clock, database, region


@cache
def supply() -> Supply:
    """Return everything the operations of supply are given."""
    return supply_on(database(), region=region(), clock=clock())


def supply_on(db: Database, *, region: str, clock: Clock) -> Supply:
    """Return supply on a database."""
    return Supply(
        receipts=PostgresReceipts(db, region=region),
        adjustments=PostgresAdjustments(db, region=region),
        transfers=PostgresTransfers(db, region=region),
        holds=PostgresHolds(db, region=region),
        recipes=PostgresRecipes(db, region=region),
        menus=PostgresMenuProducts(db),
        items=PostgresStockItems(db, region=region),
        shelves=PostgresShelves(db),
        shops=PostgresShopOwners(db),
        orders=PostgresOrderStandings(db),
        inbox=PostgresInbox(db),
        clock=clock,
    )
