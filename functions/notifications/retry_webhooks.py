"""Every 10 s: work again on webhook deliveries whose time has come."""

from shared.edge.cloud_event import Tick
from shared.notifications import retry_webhooks as rule
from shared.wiring.edge import scheduled_function
from shared.wiring.webhooks import webhooks


@scheduled_function
async def retry_webhooks(tick: Tick) -> None:
    """Every 10 s: work again on webhook deliveries whose time has come."""
    await rule.retry_webhooks(by=tick.by, using=webhooks())
