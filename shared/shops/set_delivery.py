"""set_delivery: where and for how much a shop delivers."""

from shared.kernel.decision import By
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops import lifecycle
from shared.shops.changing import change
from shared.shops.model import OwnShopView, SetDelivery
from shared.shops.ports import Shops


async def set_delivery(
    shop_id: ShopId, command: SetDelivery, *, if_match: int | None, by: By, using: Shops
) -> Reply[OwnShopView]:
    """Return the shop with its new terms; orders that are to be delivered already stay as they are.

    Raises NotFound, Forbidden, VersionConflict, AlreadyAnswered.
    """
    return await change(
        shop_id, lambda shop: lifecycle.set_delivery(shop, command, by=by), if_match=if_match, by=by, using=using
    )
