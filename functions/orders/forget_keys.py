"""Every 10 min: forget Idempotency-Keys whose time is over, and what was answered under them."""

from shared.edge.cloud_event import Tick
from shared.orders import forget_keys as rule
from shared.wiring.edge import scheduled_function
from shared.wiring.stored_replies import stored_replies


@scheduled_function
async def forget_keys(tick: Tick) -> None:
    """Every 10 min: forget Idempotency-Keys whose time is over, and what was answered under them."""
    await rule.forget_keys(using=stored_replies())
