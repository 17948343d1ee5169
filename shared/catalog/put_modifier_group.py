"""put_modifier_group: add a group of choices to a shop's menu, or replace it; a new version of the menu."""

from shared.catalog import lifecycle
from shared.catalog.model import GroupPath, MenuChange, PutModifierGroup
from shared.catalog.ports import Catalog
from shared.catalog.put_menu_item import said
from shared.kernel.decision import By
from shared.kernel.ids import MenuId
from shared.kernel.reply import Reply


async def put_modifier_group(
    path: GroupPath, command: PutModifierGroup, *, if_match: int | None, by: By, using: Catalog
) -> Reply[MenuChange]:
    """Return the menu's new version. `if_match` is a version of the menu.

    Raises NotFound, Forbidden, Invalid, MenuFull, VersionConflict, AlreadyAnswered.
    """
    shop = await using.shops.terms(path.shop_id)
    lifecycle.run_by(shop, by)
    stored = await using.store.decide(
        MenuId.like(path.shop_id),
        lambda menu: lifecycle.put_group(menu, path.group_id, command, shop=shop),
        by=by,
        now=using.clock.now(),
        reply=said,
        if_match=if_match,
    )
    return said(stored)
