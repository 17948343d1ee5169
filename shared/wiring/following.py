"""Streams of orders, composed: one feed for a process, whatever the number of streams."""

from functools import cache

from shared.adapters.postgres.live_versions import PostgresLiveVersions
from shared.adapters.postgres.orders import TABLE
from shared.adapters.postgres.store import StateStore
from shared.orders.follow_order import Following
from shared.orders.live_feed import LiveFeed
from shared.wiring.resources import database, region


@cache
def following() -> Following:
    """Return everything follow_order is given."""
    db = database()
    reads = PostgresLiveVersions(db)
    return Following(store=StateStore(db, TABLE, region=region()), reads=reads, feed=LiveFeed(reads))
