"""set_taxes: say how what is sold is taxed; a new version of the menu."""

from shared.catalog import lifecycle
from shared.catalog.model import MenuChange, SetTaxes
from shared.catalog.ports import Catalog
from shared.catalog.put_menu_item import said
from shared.kernel.decision import By
from shared.kernel.ids import MenuId, ShopId
from shared.kernel.reply import Reply


async def set_taxes(
    shop_id: ShopId, command: SetTaxes, *, if_match: int | None, by: By, using: Catalog
) -> Reply[MenuChange]:
    """Return the menu's new version. `if_match` is a version of the menu.

    Raises NotFound, Forbidden, UnknownItem, VersionConflict, AlreadyAnswered.
    """
    shop = await using.shops.terms(shop_id)
    lifecycle.run_by(shop, by)
    stored = await using.store.decide(
        MenuId.like(shop_id),
        lambda menu: lifecycle.set_taxes(menu, command, shop=shop),
        by=by,
        now=using.clock.now(),
        reply=said,
        if_match=if_match,
    )
    return said(stored)
