"""Changing a shop: load, let a rule decide, append, show it to its merchant. Operations name the rule."""

from collections.abc import Callable, Sequence

from shared.kernel.decision import By, Stored
from shared.kernel.facts import Fact
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops import lifecycle
from shared.shops.model import OwnShopView, Shop
from shared.shops.ports import Shops


async def change(
    shop_id: ShopId, rule: Callable[[Shop | None], Sequence[Fact]], *, if_match: int | None, by: By, using: Shops
) -> Reply[OwnShopView]:
    """Return the shop as it is afterwards. Raises VersionConflict, AlreadyAnswered and what the rule refuses with."""
    now = using.clock.now()

    def shown(stored: Stored[Shop]) -> Reply[OwnShopView]:
        view = lifecycle.own_view(stored.state, stored.version, now=now, images_at=using.images_at)
        return Reply(view, version=stored.version, stream=shop_id)

    return shown(await using.store.decide(shop_id, rule, by=by, now=now, reply=shown, if_match=if_match))
