"""On facts of a menu: drop what this region's cache holds of it."""

from shared.catalog import facts
from shared.catalog import invalidate_menu as rule
from shared.edge.cloud_event import Event
from shared.wiring.catalog import catalog
from shared.wiring.edge import event_function


@event_function
async def invalidate_menu(
    event: Event[
        facts.MenuItemPut
        | facts.ModifierGroupPut
        | facts.MenuImported
        | facts.MenuItemArchived
        | facts.ItemAvailabilitySet
        | facts.DaypartsSet
        | facts.TaxesSet
        | facts.ItemImageSet
    ],
) -> None:
    """On facts of a menu: drop what this region's cache holds of it."""
    await rule.invalidate_menu(event.fact.shop_id, event.version, by=event.by, using=catalog())
