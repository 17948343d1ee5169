"""Every 60 s: warn merchants whose wallets are about to look no further for payments."""

from shared.edge.cloud_event import Tick
from shared.shops import watch_gap_limits as rule
from shared.wiring.edge import scheduled_function
from shared.wiring.gaps import gap_watch


@scheduled_function
async def watch_gap_limits(tick: Tick) -> None:
    """Every 60 s: warn merchants whose wallets are about to look no further for payments."""
    await rule.watch_gap_limits(by=tick.by, using=gap_watch())
