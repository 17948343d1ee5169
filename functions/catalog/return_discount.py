"""On order.cancelled and order.expired: the discount that the order had can be used again."""

from shared.catalog import return_discount as rule
from shared.edge.cloud_event import Event
from shared.orders.facts import OrderCancelled, OrderExpired
from shared.wiring.discounts import discounting
from shared.wiring.edge import event_function


@event_function
async def return_discount(event: Event[OrderCancelled | OrderExpired]) -> None:
    """On order.cancelled and order.expired: the discount that the order had can be used again."""
    await rule.return_discount(event.fact.order_id, by=event.by, using=discounting())
