"""On payment.seen and payment.excluded: settle before the block at the shop's risk, or take it back."""

from shared.edge.cloud_event import Event
from shared.payments import accept_sighting as rule
from shared.payments.facts import PaymentExcluded, PaymentSeen
from shared.wiring.edge import event_function
from shared.wiring.payments import payments


@event_function
async def accept_sighting(event: Event[PaymentSeen | PaymentExcluded]) -> None:
    """On payment.seen and payment.excluded: settle before the block at the shop's risk, or take it back."""
    await rule.accept_sighting(event.fact, by=event.by, using=payments())
