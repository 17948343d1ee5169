"""On payment.expired: nobody paid in time, the order is over."""

from shared.edge.cloud_event import Event
from shared.orders import expire_order as rule
from shared.payments.facts import PaymentExpired
from shared.wiring.edge import event_function
from shared.wiring.orders import orders


@event_function
async def expire_order(event: Event[PaymentExpired]) -> None:
    """On payment.expired: nobody paid in time, the order is over."""
    await rule.expire_order(event.fact, by=event.by, using=orders())
