"""On what happens to where a shop's money or news go, and on stock that runs low: tell its owner."""

from shared.edge.cloud_event import Event
from shared.notifications import notify_owner as rule
from shared.notifications.messages import OwnerNews
from shared.wiring.edge import event_function
from shared.wiring.notifications import notifications


@event_function
async def notify_owner(event: Event[OwnerNews]) -> None:
    """On what happens to where a shop's money or news go, and on stock that runs low: tell its owner."""
    await rule.notify_owner(event.fact, happened_at=event.time, by=event.by, using=notifications())
