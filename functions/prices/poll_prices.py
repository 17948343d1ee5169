"""Every 10 s: ask every price feed at once, keep the median of those that are fresh and agree."""

from shared.edge.cloud_event import Tick
from shared.prices import poll_prices as rule
from shared.wiring.edge import scheduled_function
from shared.wiring.prices import polling


@scheduled_function
async def poll_prices(tick: Tick) -> None:
    """Every 10 s: ask every price feed at once, keep the median of those that are fresh and agree."""
    await rule.poll_prices(by=tick.by, using=polling())
