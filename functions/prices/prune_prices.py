"""Every 10 min: let old prices go, so that their history has a size."""

from shared.edge.cloud_event import Tick
from shared.prices import prune_prices as rule
from shared.wiring.edge import scheduled_function
from shared.wiring.prices import old_prices


@scheduled_function
async def prune_prices(tick: Tick) -> None:
    """Every 10 min: let old prices go, so that their history has a size."""
    await rule.prune_prices(using=old_prices())
