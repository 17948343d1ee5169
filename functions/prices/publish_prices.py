"""On price.updated: this region's caches let the old price go."""

from shared.edge.cloud_event import Event
from shared.prices import publish_prices as rule
from shared.prices.facts import PriceUpdated
from shared.wiring.edge import event_function
from shared.wiring.prices import shown_prices


@event_function
async def publish_prices(event: Event[PriceUpdated]) -> None:
    """On price.updated: this region's caches let the old price go."""
    await rule.publish_prices(event.fact.currency, event.version, by=event.by, using=shown_prices())
