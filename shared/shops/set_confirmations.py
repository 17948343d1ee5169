"""set_confirmations: how deep in the chain a shop wants its payments, and what it risks before they are."""

from shared.kernel.decision import By
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops import lifecycle
from shared.shops.changing import change
from shared.shops.model import OwnShopView, SetConfirmations
from shared.shops.ports import Shops


async def set_confirmations(
    shop_id: ShopId, command: SetConfirmations, *, if_match: int | None, by: By, using: Shops
) -> Reply[OwnShopView]:
    """Return the shop with its new policy; payments under way keep their own, the loss cap counts at once.

    Raises NotFound, Forbidden, Invalid, VersionConflict, AlreadyAnswered.
    """
    return await change(
        shop_id, lambda shop: lifecycle.set_confirmations(shop, command, by=by), if_match=if_match, by=by, using=using
    )
