"""archive_menu_item: sell an item no more; a new version of the menu, while those before keep it."""

from shared.catalog import lifecycle
from shared.catalog.model import ItemPath, MenuChange
from shared.catalog.ports import Catalog
from shared.catalog.put_menu_item import said
from shared.kernel.decision import By
from shared.kernel.ids import MenuId
from shared.kernel.reply import Reply


async def archive_menu_item(path: ItemPath, *, if_match: int | None, by: By, using: Catalog) -> Reply[MenuChange]:
    """Return the menu's new version. `if_match` is a version of the menu.

    Raises NotFound, Forbidden, VersionConflict, AlreadyAnswered.
    """
    shop = await using.shops.terms(path.shop_id)
    lifecycle.run_by(shop, by)
    stored = await using.store.decide(
        MenuId.like(path.shop_id),
        lambda menu: lifecycle.archive_item(menu, path.item_id, shop=shop),
        by=by,
        now=using.clock.now(),
        reply=said,
        if_match=if_match,
    )
    return said(stored)
