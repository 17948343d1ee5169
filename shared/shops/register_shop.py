"""register_shop: open a location. Whoever does it owns it, and gives the account keys that its money goes to."""

from shared.kernel.decision import By, Stored
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops import lifecycle
from shared.shops.model import OwnShopView, RegisterShop, Shop
from shared.shops.ports import Registration


async def register_shop(command: RegisterShop, *, by: By, using: Registration) -> Reply[OwnShopView]:
    """Return 201 with the new shop, still without opening hours: it takes no orders before they are set.

    Raises Invalid for account keys that are private, of another network or mistyped; Forbidden, AlreadyAnswered,
    KeyReused, Transient.
    """
    now, shop_id = using.clock.now(), ShopId.new()
    sealed = {family: using.account_keys.seal(shop_id, family, key) for family, key in command.payout.given().items()}
    fact = lifecycle.register(shop_id, command, payout=sealed, merchant_id=lifecycle.merchant_of(by), now=now)

    def created(stored: Stored[Shop]) -> Reply[OwnShopView]:
        return Reply(
            lifecycle.own_view(stored.state, stored.version, now=now),
            status=201,
            version=stored.version,
            stream=shop_id,
            location=f"/v1/shops/{shop_id}",
        )

    return created(await using.store.decide(shop_id, lambda _: (fact,), by=by, now=now, reply=created))
