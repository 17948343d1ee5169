"""On payment.settled: confirm the order, or let it go on after a reversal."""

from shared.edge.cloud_event import Event
from shared.orders import confirm_order as rule
from shared.payments.facts import PaymentSettled
from shared.wiring.edge import event_function
from shared.wiring.orders import orders


@event_function
async def confirm_order(event: Event[PaymentSettled]) -> None:
    """On payment.settled: confirm the order, or let it go on after a reversal."""
    await rule.confirm_order(event.fact, by=event.by, using=orders())
