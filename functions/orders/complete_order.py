"""On claim.redeemed: the order is complete."""

from shared.claims.facts import ClaimRedeemed
from shared.edge.cloud_event import Event
from shared.orders import complete_order as rule
from shared.wiring.edge import event_function
from shared.wiring.orders import orders


@event_function
async def complete_order(event: Event[ClaimRedeemed]) -> None:
    """On claim.redeemed: the order is complete."""
    await rule.complete_order(event.fact, by=event.by, using=orders())
