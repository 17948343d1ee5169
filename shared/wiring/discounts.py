"""Discounts, composed."""

from functools import cache

from shared.adapters.postgres.catalog import PostgresMenus, PostgresShopTerms
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.discounts import (
    PostgresDiscountReads,
    PostgresDiscounts,
    PostgresDiscountUses,
    PostgresOrderStandings,
)
from shared.adapters.postgres.inbox import PostgresInbox
from shared.catalog.ports import Discounting
from shared.kernel.clock import Clock
from shared.wiring.resources import clock, database, region


@cache
def discounting() -> Discounting:
    """Return everything the operations of discounts are given."""
    return discounting_on(database(), region=region(), clock=clock())


def discounting_on(db: Database, *, region: str, clock: Clock) -> Discounting:
    """Return discounts on a database."""
    return Discounting(
        store=PostgresDiscounts(db, region=region),
        uses=PostgresDiscountUses(db, region=region),
        read=PostgresDiscountReads(db),
        menus=PostgresMenus(db, region=region),
        shops=PostgresShopTerms(db),
        orders=PostgresOrderStandings(db),
        inbox=PostgresInbox(db),
        clock=clock,
    )
