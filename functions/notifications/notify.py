"""On what happens to orders, their payments and claims: tell the customer what they want to know."""

from shared.edge.cloud_event import Event
from shared.notifications import notify as rule
from shared.notifications.messages import News
from shared.wiring.edge import event_function
from shared.wiring.notifications import notifications


@event_function
async def notify(event: Event[News]) -> None:
    """On what happens to orders, their payments and claims: tell the customer what they want to know."""
    await rule.notify(event.fact, happened_at=event.time, by=event.by, using=notifications())
