"""Every 10 s: derive receive addresses ahead, and give back those that were never shown."""

from shared.edge.cloud_event import Tick
from shared.payments import fill_address_pool as rule
from shared.wiring.addresses import filling
from shared.wiring.edge import scheduled_function


@scheduled_function
async def fill_address_pool(tick: Tick) -> None:
    """Every 10 s: derive receive addresses ahead, and give back those that were never shown."""
    await rule.fill_address_pool(using=filling())
