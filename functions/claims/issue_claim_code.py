"""On order.confirmed: the customer gets the right to pick the order up."""

from shared.claims import issue_claim_code as rule
from shared.edge.cloud_event import Event
from shared.orders.facts import OrderConfirmed
from shared.wiring.claims import claims
from shared.wiring.edge import event_function


@event_function
async def issue_claim_code(event: Event[OrderConfirmed]) -> None:
    """On order.confirmed: the customer gets the right to pick the order up."""
    await rule.issue_claim_code(event.fact, by=event.by, using=claims())
