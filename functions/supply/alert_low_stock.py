"""On goods that moved, and on reorder points: say what is low now, once."""

from shared.edge.cloud_event import Event
from shared.supply import alert_low_stock as rule
from shared.supply.alert_low_stock import StockNews
from shared.wiring.edge import event_function
from shared.wiring.supply import supply


@event_function
async def alert_low_stock(event: Event[StockNews]) -> None:
    """On goods that moved, and on reorder points: say what is low now, once."""
    await rule.alert_low_stock(event.fact, by=event.by, using=supply())
