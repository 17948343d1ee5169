"""On order.preparing: what the order held is used."""

from shared.edge.cloud_event import Event
from shared.orders.facts import OrderPreparing
from shared.supply import consume_stock as rule
from shared.wiring.edge import event_function
from shared.wiring.supply import supply


@event_function
async def consume_stock(event: Event[OrderPreparing]) -> None:
    """On order.preparing: what the order held is used."""
    await rule.consume_stock(event.fact.order_id, by=event.by, using=supply())
