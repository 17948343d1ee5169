"""On order.cancelled: close its payments, so that what was paid is its customer's."""

from shared.edge.cloud_event import Event
from shared.orders.facts import OrderCancelled
from shared.payments import close_payment as rule
from shared.wiring.edge import event_function
from shared.wiring.payments import payments


@event_function
async def close_payment(event: Event[OrderCancelled]) -> None:
    """On order.cancelled: close its payments, so that what was paid is its customer's."""
    await rule.close_payment(event.fact, by=event.by, using=payments())
