"""pause_shop: take no orders for a while."""

from shared.kernel.decision import By
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops import lifecycle
from shared.shops.changing import change
from shared.shops.model import OwnShopView, PauseShop
from shared.shops.ports import Shops


async def pause_shop(
    shop_id: ShopId, command: PauseShop, *, if_match: int | None, by: By, using: Shops
) -> Reply[OwnShopView]:
    """Return the shop, paused: within seconds no order is taken any more; those placed already go on.

    Raises NotFound, Invalid, VersionConflict, AlreadyAnswered.
    """
    now = using.clock.now()
    return await change(
        shop_id, lambda shop: lifecycle.pause(shop, command, by=by, now=now), if_match=if_match, by=by, using=using
    )
