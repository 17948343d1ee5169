"""set_special_hours: replace the dates on which other hours hold."""

from shared.kernel.decision import By
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops import lifecycle
from shared.shops.changing import change
from shared.shops.model import OwnShopView, SetSpecialHours
from shared.shops.ports import Shops


async def set_special_hours(
    shop_id: ShopId, command: SetSpecialHours, *, if_match: int | None, by: By, using: Shops
) -> Reply[OwnShopView]:
    """Return the shop with its new special days; orders that are placed already stay.

    Raises NotFound, Forbidden, Invalid, VersionConflict, AlreadyAnswered.
    """
    now = using.clock.now()
    return await change(
        shop_id,
        lambda shop: lifecycle.set_special_hours(shop, command, by=by, now=now),
        if_match=if_match,
        by=by,
        using=using,
    )
