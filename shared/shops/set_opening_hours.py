"""set_opening_hours: replace a shop's weekly hours."""

from shared.kernel.decision import By
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops import lifecycle
from shared.shops.changing import change
from shared.shops.model import OwnShopView, SetOpeningHours
from shared.shops.ports import Shops


async def set_opening_hours(
    shop_id: ShopId, command: SetOpeningHours, *, if_match: int | None, by: By, using: Shops
) -> Reply[OwnShopView]:
    """Return the shop with its new hours. Raises NotFound, Forbidden, VersionConflict, AlreadyAnswered."""
    return await change(
        shop_id, lambda shop: lifecycle.set_hours(shop, command, by=by), if_match=if_match, by=by, using=using
    )
