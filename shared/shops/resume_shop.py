"""resume_shop: take orders again, in the shop's hours."""

from shared.kernel.decision import By
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops import lifecycle
from shared.shops.changing import change
from shared.shops.model import OwnShopView
from shared.shops.ports import Shops


async def resume_shop(shop_id: ShopId, *, if_match: int | None, by: By, using: Shops) -> Reply[OwnShopView]:
    """Return the shop; one that is not paused stays as it is. Raises NotFound, VersionConflict, AlreadyAnswered."""
    now = using.clock.now()
    return await change(
        shop_id, lambda shop: lifecycle.resume(shop, by=by, now=now), if_match=if_match, by=by, using=using
    )
