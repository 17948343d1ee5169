"""Every 30 s: messages whose person's quiet hours are over go on their way."""

from shared.edge.cloud_event import Tick
from shared.notifications import release_notifications as rule
from shared.wiring.edge import scheduled_function
from shared.wiring.notifications import notifications


@scheduled_function
async def release_notifications(tick: Tick) -> None:
    """Every 30 s: messages whose person's quiet hours are over go on their way."""
    await rule.release_notifications(by=tick.by, using=notifications())
