"""set_capacity: how much a shop makes in each quarter of an hour."""

from shared.kernel.decision import By
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops import lifecycle
from shared.shops.changing import change
from shared.shops.model import OwnShopView, SetCapacity
from shared.shops.ports import Shops


async def set_capacity(
    shop_id: ShopId, command: SetCapacity, *, if_match: int | None, by: By, using: Shops
) -> Reply[OwnShopView]:
    """Return the shop with its new capacity; orders that are placed already stay, however many they are.

    Raises NotFound, Forbidden, VersionConflict, AlreadyAnswered.
    """
    return await change(
        shop_id, lambda shop: lifecycle.set_capacity(shop, command, by=by), if_match=if_match, by=by, using=using
    )
