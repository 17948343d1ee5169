"""On payment.reversed: halt the order until its payment settles again."""

from shared.edge.cloud_event import Event
from shared.orders import halt_order as rule
from shared.payments.facts import PaymentReversed
from shared.wiring.edge import event_function
from shared.wiring.orders import orders


@event_function
async def halt_order(event: Event[PaymentReversed]) -> None:
    """On payment.reversed: halt the order until its payment settles again."""
    await rule.halt_order(event.fact, by=event.by, using=orders())
