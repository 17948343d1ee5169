"""put_menu_item: add an item to a shop's menu, or replace it; a new version of the menu."""

from shared.catalog import lifecycle
from shared.catalog.model import ItemPath, Menu, MenuChange, PutMenuItem
from shared.catalog.ports import Catalog
from shared.kernel.decision import By, Stored
from shared.kernel.ids import MenuId
from shared.kernel.reply import Reply


async def put_menu_item(
    path: ItemPath, command: PutMenuItem, *, if_match: int | None, by: By, using: Catalog
) -> Reply[MenuChange]:
    """Return the menu's new version. `if_match` is a version of the menu.

    Raises NotFound, Forbidden, UnknownGroup, MenuFull, VersionConflict, AlreadyAnswered.
    """
    shop = await using.shops.terms(path.shop_id)
    lifecycle.run_by(shop, by)
    stored = await using.store.decide(
        MenuId.like(path.shop_id),
        lambda menu: lifecycle.put_item(menu, path.item_id, command, shop=shop),
        by=by,
        now=using.clock.now(),
        reply=said,
        if_match=if_match,
    )
    return said(stored)


def said(stored: Stored[Menu]) -> Reply[MenuChange]:
    """Return the answer to a change of a menu."""
    change = lifecycle.changed(stored.state, stored.version)
    return Reply(change, version=stored.version, stream=stored.state.menu_id)
