"""set_item_availability: mark an item as sold out at a shop, or as there again; a new version of the menu."""

from shared.catalog import lifecycle
from shared.catalog.model import ItemPath, MenuChange, SetItemAvailability
from shared.catalog.ports import Catalog
from shared.catalog.put_menu_item import said
from shared.kernel.decision import By
from shared.kernel.ids import MenuId
from shared.kernel.reply import Reply


async def set_item_availability(
    path: ItemPath, command: SetItemAvailability, *, if_match: int | None, by: By, using: Catalog
) -> Reply[MenuChange]:
    """Return the menu's version, the same one where nothing changed. `if_match` is a version of the menu.

    Whoever stands behind the counter may say so. Raises NotFound, Invalid, VersionConflict, AlreadyAnswered.
    """
    shop = await using.shops.terms(path.shop_id)
    lifecycle.staffed(shop, by)
    now = using.clock.now()
    stored = await using.store.decide(
        MenuId.like(path.shop_id),
        lambda menu: lifecycle.set_availability(menu, path.item_id, command, shop=shop, now=now),
        by=by,
        now=now,
        reply=said,
        if_match=if_match,
    )
    return said(stored)
