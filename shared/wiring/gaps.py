"""The watch over gap limits, composed."""

from functools import cache

from shared.adapters.gap_gauges import GapGauges
from shared.adapters.postgres.gaps import PostgresGaps
from shared.settings import AddressSettings
from shared.shops.watch_gap_limits import GapWatch
from shared.wiring.resources import clock, database, region


@cache
def gap_watch() -> GapWatch:
    """Return what the watch is given."""
    return GapWatch(
        gaps=PostgresGaps(database(), region=region()),
        meter=GapGauges(),
        limit=AddressSettings.from_env().gap_limit,
        clock=clock(),
    )
