"""Every 30 s: let orders go for which no payment was ever requested."""

from shared.edge.cloud_event import Tick
from shared.orders import expire_unpaid_orders as rule
from shared.wiring.edge import scheduled_function
from shared.wiring.orders import orders


@scheduled_function
async def expire_unpaid_orders(tick: Tick) -> None:
    """Every 30 s: let orders go for which no payment was ever requested."""
    await rule.expire_unpaid_orders(by=tick.by, using=orders())
