"""update_shop: change a shop's name, address, place or coins."""

from shared.kernel.decision import By
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops import lifecycle
from shared.shops.changing import change
from shared.shops.model import OwnShopView, UpdateShop
from shared.shops.ports import Shops


async def update_shop(
    shop_id: ShopId, command: UpdateShop, *, if_match: int | None, by: By, using: Shops
) -> Reply[OwnShopView]:
    """Return the shop as it is now; payments that are asked for already keep their coin.

    Raises NotFound, Forbidden, Invalid, VersionConflict, AlreadyAnswered.
    """
    return await change(
        shop_id, lambda shop: lifecycle.update(shop, command, by=by), if_match=if_match, by=by, using=using
    )
