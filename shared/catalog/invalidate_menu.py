"""invalidate_menu: cached menus follow the facts. Rates are not followed: a cached menu lives for seconds anyway."""

from shared.catalog.ports import Catalog
from shared.kernel.decision import By
from shared.kernel.ids import ShopId


async def invalidate_menu(shop_id: ShopId, version: int, *, by: By, using: Catalog) -> None:
    """Drop what the region's cache holds of the menu from before `version`, the version that the fact made.

    Each region does this for itself, and again is harmless; the inbox is told afterwards.
    """
    await using.documents.invalidate(shop_id, version)
    await using.inbox.take(by)
