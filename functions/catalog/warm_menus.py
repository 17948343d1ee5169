"""Every few seconds: the menus of busy shops are built before somebody waits for them."""

from shared.catalog import warm_menus as rule
from shared.edge.cloud_event import Tick
from shared.wiring.catalog import warming
from shared.wiring.edge import scheduled_function


@scheduled_function
async def warm_menus(tick: Tick) -> None:
    """Every few seconds: the menus of busy shops are built before somebody waits for them."""
    await rule.warm_menus(using=warming())
