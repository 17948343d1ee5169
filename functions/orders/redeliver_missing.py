"""Every 15 s: send facts again that a subscribed operation has not taken."""

from shared.edge.cloud_event import Tick
from shared.orders import redeliver_missing as rule
from shared.wiring.edge import scheduled_function
from shared.wiring.redelivery import missing_facts


@scheduled_function
async def redeliver_missing(tick: Tick) -> None:
    """Every 15 s: send facts again that a subscribed operation has not taken."""
    await rule.redeliver_missing(using=missing_facts())
