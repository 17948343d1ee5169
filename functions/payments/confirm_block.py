"""On payment.block_scanned: decide what is settled, final or reversed on the chain."""

from shared.edge.cloud_event import Event
from shared.payments import confirm_block as rule
from shared.payments.facts import BlockScanned
from shared.wiring.edge import event_function
from shared.wiring.payments import confirming


@event_function
async def confirm_block(event: Event[BlockScanned]) -> None:
    """On payment.block_scanned: decide what is settled, final or reversed on the chain."""
    await rule.confirm_block(event.fact, by=event.by, using=confirming())
