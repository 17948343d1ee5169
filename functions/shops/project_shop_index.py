"""On facts of a shop: bring the region's index and cache in line with it."""

from shared.edge.cloud_event import Event
from shared.shops import project_shop_index as rule
from shared.shops.facts import ShopFact
from shared.wiring.edge import event_function
from shared.wiring.shops import shops


@event_function
async def project_shop_index(event: Event[ShopFact]) -> None:
    """On facts of a shop: bring the region's index and cache in line with it."""
    await rule.project_shop_index(event.fact.shop_id, event.version, by=event.by, using=shops())
