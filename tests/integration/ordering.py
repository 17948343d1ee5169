"""What tests of orders start from: a shop with a menu and stock, laid straight into the database, and who is asking."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.orders import PostgresOrders, PostgresPaymentStandings
from shared.adapters.postgres.recipes import PostgresOrderRecipes
from shared.catalog.facts import MenuItem
from shared.kernel.decision import By, Claim, Role
from shared.kernel.hours import Opening
from shared.kernel.ids import ItemId, MerchantId, ShopId, UserId
from shared.orders.model import LineRequest, PlaceOrder
from shared.orders.ports import Orders, PricedMenu, ShopTerms
from shared.settings import PostgresSettings

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
ALWAYS = tuple(Opening(weekday=day, opens="00:00", closes="24:00") for day in range(7))
STOCK = Sql(
    "insert into stock (shop_id, sku, merchant_id, on_hand) values (:shop_id, :sku, :merchant_id, :on_hand::bigint)"
)
COUNTERS = Sql("select on_hand, reserved from stock where shop_id = :shop_id and sku = :sku")


class FixedClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class OneShop:
    """The terms and the menu of a single shop that never closes."""

    def __init__(self) -> None:
        self.shop_id, self.merchant_id = ShopId.new(), MerchantId.new()
        self.item = MenuItem(item_id=ItemId.new(), name="Flat white", category="Coffee", price=420, sku="flat-white")

    async def terms(self, shop_id: ShopId) -> ShopTerms:
        return ShopTerms(self.shop_id, self.merchant_id, "EUR", "Europe/Berlin", ALWAYS)

    async def current(self, shop_id: ShopId, *, at_least: int = 0) -> PricedMenu:
        return PricedMenu(self.shop_id, 1, "EUR", {self.item.item_id: self.item}, {})

    async def version(self, shop_id: ShopId, version: int) -> PricedMenu | None:
        return None


def customer(key: str, body: bytes = b"{}", who: UserId | None = None) -> By:
    """A customer's request under an Idempotency-Key."""
    actor = who or UserId.new()
    return By(
        actor, frozenset({Role.CUSTOMER}), MerchantId.like(actor), once=Claim(actor, "POST /v1/orders", key, body)
    )


def again(by: By, key: str) -> By:
    """The same caller with another key."""
    assert isinstance(by.once, Claim)
    return replace(by, once=replace(by.once, key=key))


class Ordering:
    """Orders on a real database, for one shop."""

    def __init__(self, url: str, *, lanes: int = 4) -> None:
        self.db = Database(PostgresSettings(url))
        self.shop = OneShop()
        self.store = PostgresOrders(self.db, region="test", lanes=lanes)
        self.orders = Orders(
            store=self.store,
            shops=self.shop,
            menus=self.shop,
            recipes=PostgresOrderRecipes(self.db, ttl_s=0.0),
            payments=PostgresPaymentStandings(self.db),
            clock=FixedClock(),
        )

    async def stocked(self, portions: int) -> None:
        """Put so many portions of the shop's only item on its shelf."""
        await self.db.run(
            STOCK,
            shop_id=self.shop.shop_id,
            sku=self.shop.item.sku,
            merchant_id=self.shop.merchant_id,
            on_hand=portions,
        )

    async def counters(self) -> tuple[int, int]:
        """Return (on hand, reserved) of the shop's only item."""
        rows = await self.db.run(COUNTERS, shop_id=self.shop.shop_id, sku=self.shop.item.sku)
        return rows[0][0], rows[0][1]

    def wanted(self, quantity: int = 1) -> PlaceOrder:
        """An order of the shop's only item."""
        return PlaceOrder(
            shop_id=self.shop.shop_id, lines=(LineRequest(item_id=self.shop.item.item_id, quantity=quantity),)
        )
