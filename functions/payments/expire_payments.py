"""Every 30 s: let go of what nobody paid, where chain and mempool prove it."""

from shared.edge.cloud_event import Tick
from shared.payments import expire_payments as rule
from shared.wiring.edge import scheduled_function
from shared.wiring.payments import payments


@scheduled_function
async def expire_payments(tick: Tick) -> None:
    """Every 30 s: let go of what nobody paid, where chain and mempool prove it."""
    await rule.expire_payments(by=tick.by, using=payments())
