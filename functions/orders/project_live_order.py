"""On facts of orders, payments and claims: rewrite the order's live document."""

from shared.edge.cloud_event import Event
from shared.orders import project_live_order as rule
from shared.orders.project_live_order import Shown
from shared.wiring.edge import event_function
from shared.wiring.live_orders import live_projection


@event_function
async def project_live_order(event: Event[Shown]) -> None:
    """On facts of orders, payments and claims: rewrite the order's live document."""
    await rule.project_live_order(event.fact, by=event.by, using=live_projection())
