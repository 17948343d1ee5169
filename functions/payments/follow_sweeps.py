"""Every 10 s: sweeps come further as the chain shows them."""

from shared.edge.cloud_event import Tick
from shared.payments import follow_sweeps as rule
from shared.wiring.edge import scheduled_function
from shared.wiring.sweeps import sweeping


@scheduled_function
async def follow_sweeps(tick: Tick) -> None:
    """Every 10 s: sweeps come further as the chain shows them."""
    await rule.follow_sweeps(by=tick.by, using=sweeping())
