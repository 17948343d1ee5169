"""On what a payment's coins did: enter it into the ledger."""

from shared.edge.cloud_event import Event
from shared.payments import post_ledger as rule
from shared.wiring.edge import event_function
from shared.wiring.ledger import bookkeeping


@event_function
async def post_ledger(event: Event[rule.Moving]) -> None:
    """On what a payment's coins did: enter it into the ledger."""
    await rule.post_ledger(event.fact, by=event.by, using=bookkeeping())
