"""set_spreads: how far below the market a shop quotes each coin."""

from shared.kernel.decision import By
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops import lifecycle
from shared.shops.changing import change
from shared.shops.model import OwnShopView, SetSpreads
from shared.shops.ports import Shops


async def set_spreads(
    shop_id: ShopId, command: SetSpreads, *, if_match: int | None, by: By, using: Shops
) -> Reply[OwnShopView]:
    """Return the shop with its new spreads; quotes that are locked already keep theirs.

    Raises NotFound, Forbidden, Invalid, VersionConflict, AlreadyAnswered.
    """
    return await change(
        shop_id, lambda shop: lifecycle.set_spreads(shop, command, by=by), if_match=if_match, by=by, using=using
    )
