"""set_confirmations: how deep in the chain a shop wants its payments, and what it risks before they are."""

from shared.kernel.decision import By, Stored
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops import lifecycle
from shared.shops.model import OwnShopView, SetConfirmations, Shop
from shared.shops.ports import Shops


async def set_confirmations(
    shop_id: ShopId, command: SetConfirmations, *, if_match: int | None, by: By, using: Shops
) -> Reply[OwnShopView]:
    """Return the shop with its new policy; payments under way keep their own, the loss cap counts at once.

    Raises NotFound, Forbidden, Invalid, VersionConflict, AlreadyAnswered.
    """
    now = using.clock.now()

    def shown(stored: Stored[Shop]) -> Reply[OwnShopView]:
        view = lifecycle.own_view(stored.state, stored.version, now=now)
        return Reply(view, version=stored.version, stream=shop_id)

    stored = await using.store.decide(
        shop_id,
        lambda shop: lifecycle.set_confirmations(shop, command, by=by),
        by=by,
        now=now,
        reply=shown,
        if_match=if_match,
    )
    return shown(stored)
