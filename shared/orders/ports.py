"""What orders need from outside: their own store, and what they read of shops, menus and payments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.catalog.facts import Daypart, MenuItem, ModifierGroup, SoldOutMark, Tax
from shared.kernel.clock import Clock
from shared.kernel.decision import By, Page, Stored
from shared.kernel.errors import Conflict
from shared.kernel.facts import Fact
from shared.kernel.hours import Opening, Pause, SpecialDay
from shared.kernel.ids import ItemId, MerchantId, ModifierGroupId, OrderId, PaymentId, ShopId, UserId
from shared.kernel.money import Currency
from shared.kernel.reply import Reply
from shared.kernel.store import Inbox, Store
from shared.orders.discounts import Discounts, NoDiscounts
from shared.orders.facts import OrderPlaced
from shared.orders.model import LiveOrder, Order, OrderView
from shared.shops.facts import Capacity, DeliveryTerms


class SoldOut(Conflict):
    """Less stock is free than the order asks for."""

    type = "sold-out"
    title = "Not enough is left"


class PaymentAsked(Conflict):
    """An address was shown for the order, and an amount with it."""

    type = "payment-asked"
    title = "A payment was asked for already"


@dataclass(frozen=True, slots=True)
class ShopTerms:
    """What an order must know of its shop."""

    shop_id: ShopId
    merchant_id: MerchantId
    currency: Currency
    timezone: str
    weekly: tuple[Opening, ...]
    special: tuple[SpecialDay, ...] = ()
    last_order_min: int = 0
    pause: Pause | None = None
    capacity: Capacity | None = None
    latitude: float = 0.0
    longitude: float = 0.0
    delivery: DeliveryTerms | None = None


@dataclass(frozen=True, slots=True)
class PricedMenu:
    """A menu at one version: immutable, so it may be kept for as long as one likes."""

    shop_id: ShopId
    version: int
    currency: Currency
    items: Mapping[ItemId, MenuItem]
    groups: Mapping[ModifierGroupId, ModifierGroup]
    sold_out: tuple[SoldOutMark, ...] = ()
    dayparts: tuple[Daypart, ...] = ()
    taxes: tuple[Tax, ...] = ()


@dataclass(frozen=True, slots=True)
class PaymentStanding:
    """Whether a payment stands settled, and the version at which that was true.

    `others_open`: another payment of the same order may settle yet.
    """

    payment_id: PaymentId
    settled: bool
    version: int
    others_open: bool = False


class Shops(Protocol):
    """Reads shops: process cache, regional cache, replica, primary."""

    async def terms(self, shop_id: ShopId) -> ShopTerms:
        """Return the shop's terms, at most some seconds old. Raises NotFound."""
        ...


class Menus(Protocol):
    """Reads menus: process cache, regional cache, replica, primary."""

    async def current(self, shop_id: ShopId, *, at_least: int = 0) -> PricedMenu:
        """Return the shop's present menu, at most some seconds old, and looked up anew if it is before `at_least`.

        Raises NotFound when nothing is sold there.
        """
        ...

    async def version(self, shop_id: ShopId, version: int) -> PricedMenu | None:
        """Return the shop's menu as it was at a version, or None where there never was such a one."""
        ...


@dataclass(frozen=True, slots=True)
class Takes:
    """What one item or choice takes of the stock, in base units by SKU; a choice: also what takes whose place."""

    takes: Mapping[str, int]
    instead: Mapping[str, str] = field(default_factory=dict)


class Recipes(Protocol):
    """Reads recipes: process cache, primary."""

    async def of(self, shop_id: ShopId) -> Mapping[str, Takes]:
        """Return what the shop's items and choices take, by their ids, at most some seconds old."""
        ...


class Payments(Protocol):
    """Reads payments from the primary."""

    async def standing(self, payment_id: PaymentId) -> PaymentStanding:
        """Return whether the payment stands settled now. Raises NotFound."""
        ...


class OrderStore(Store[Order], Protocol):
    """The orders' own store."""

    async def place(
        self,
        order_id: OrderId,
        placed: OrderPlaced,
        *,
        by: By,
        now: datetime,
        reply: Callable[[Stored[Order]], Reply[OrderView]],
    ) -> Stored[Order]:
        """Append a new order and reserve its stock in the same commit; concurrent calls share one.

        Raises SoldOut, AlreadyAnswered, KeyReused, Transient.
        """
        ...

    async def modify(
        self,
        order_id: OrderId,
        rule: Callable[[Order | None], Sequence[Fact]],
        *,
        by: By,
        now: datetime,
        reply: Callable[[Stored[Order]], Reply[OrderView]],
        if_match: int | None = None,
    ) -> Stored[Order]:
        """Change an order, and what it holds of stock and time, in one transaction that no payment comes between.

        Raises PaymentAsked, SoldOut, SlotFull, AlreadyAnswered, KeyReused, VersionConflict, Transient.
        """
        ...

    async def of_customer(self, customer_id: UserId, *, before: str | None, limit: int) -> Page[Stored[Order]]:
        """Return the customer's orders, newest first, after the cursor."""
        ...

    async def of_shop(
        self, shop_id: ShopId, merchant_id: MerchantId, *, before: str | None, limit: int
    ) -> Page[Stored[Order]]:
        """Return the shop's orders, newest first, after the cursor; none when the shop is another merchant's."""
        ...

    async def in_kitchen(self, shop_id: ShopId, merchant_id: MerchantId) -> Sequence[Stored[Order]]:
        """Return what is confirmed, being prepared or ready, oldest first, at most 200."""
        ...

    async def unpaid(self, *, limit: int) -> Sequence[OrderId]:
        """Return pending orders a minute past `pay_by` for which no payment was ever requested."""
        ...


class Destinations(Protocol):
    """Seals where orders are brought to, with the key of whom it is about."""

    async def seal(self, customer_id: UserId, text: str) -> str:
        """Return the text as a fact carries it."""
        ...

    async def open(self, customer_id: UserId, sealed: str) -> str | None:
        """Return the text; None where its person was forgotten."""
        ...


class LiveOrders(Protocol):
    """The documents that customers' phones listen to; a projection, never asked back."""

    async def put(self, document: LiveOrder) -> None:
        """Write the document unless a newer one, by (generation, version), stands there. Raises Transient."""
        ...


class LiveReads(Protocol):
    """Reads what a live document shows, from the primary."""

    async def live(self, order_id: OrderId) -> LiveOrder | None:
        """Return the present document of an order, or None when there is no such order."""
        ...


class StoredReplies(Protocol):
    """What was answered under Idempotency-Keys, of every service."""

    async def forget(self, *, most: int) -> int:
        """Delete up to `most` replies whose time is over, the oldest first, and return how many."""
        ...


@dataclass(frozen=True, slots=True)
class LiveProjection:
    """Everything project_live_order is given."""

    reads: LiveReads
    documents: LiveOrders
    inbox: Inbox


class MissingFacts(Protocol):
    """Recorded facts that some subscribed operation, of whichever service, has not taken."""

    async def send_again(self) -> bool:
        """Send some of them out again, oldest first; return whether more may be due. Raises Transient."""
        ...


@dataclass(frozen=True, slots=True)
class Orders:
    """Everything the operations of this service are given."""

    store: OrderStore
    shops: Shops
    menus: Menus
    recipes: Recipes
    payments: Payments
    clock: Clock
    discounts: Discounts = NoDiscounts()  # noqa: RUF009  # it has no state
