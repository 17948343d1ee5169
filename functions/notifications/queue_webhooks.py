"""On what happens to orders, their payments and claims: queue it for the webhooks that listen."""

from shared.edge.cloud_event import Event
from shared.notifications import queue_webhooks as rule
from shared.notifications.webhook_model import Told
from shared.wiring.edge import event_function
from shared.wiring.webhooks import webhooks


@event_function
async def queue_webhooks(event: Event[Told]) -> None:
    """On what happens to orders, their payments and claims: queue it for the webhooks that listen."""
    await rule.queue_webhooks(event.fact, id=event.id, happened_at=event.time, by=event.by, using=webhooks())
