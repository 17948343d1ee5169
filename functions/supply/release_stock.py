"""On order.cancelled and order.expired: what the order held is free again."""

from shared.edge.cloud_event import Event
from shared.orders.facts import OrderCancelled, OrderExpired
from shared.supply import release_stock as rule
from shared.wiring.edge import event_function
from shared.wiring.supply import supply


@event_function
async def release_stock(event: Event[OrderCancelled | OrderExpired]) -> None:
    """On order.cancelled and order.expired: what the order held is free again."""
    await rule.release_stock(event.fact.order_id, by=event.by, using=supply())
