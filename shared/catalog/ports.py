"""What the catalog needs from outside: its own store, what it reads of shops and rates, and a cache."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from shared.catalog.discount_model import DiscountUse, KeptDiscount
from shared.catalog.model import Menu, MenuView
from shared.kernel.clock import Clock
from shared.kernel.decision import Page, Stored
from shared.kernel.documents import Documents
from shared.kernel.ids import DiscountId, MerchantId, OrderId, ShopId
from shared.kernel.money import Asset, Currency
from shared.kernel.pictures import Bucket
from shared.kernel.store import Inbox, Store


@dataclass(frozen=True, slots=True)
class ShopTerms:
    """What a menu must know of its shop."""

    shop_id: ShopId
    merchant_id: MerchantId
    currency: Currency
    accepts: tuple[Asset, ...]
    spread_bp: Mapping[Asset, int] = field(default_factory=dict)
    """How far below the market it quotes, in 0.01 %."""
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Rate:
    """Fiat per whole coin, and when the oldest reading behind it was taken."""

    rate: Decimal
    at: datetime


class Shops(Protocol):
    """Reads shops."""

    async def terms(self, shop_id: ShopId) -> ShopTerms:
        """Return the shop's terms, at most some seconds old. Raises NotFound."""
        ...


@dataclass(frozen=True, slots=True)
class Shelf:
    """What of a shop's stock can be sold at a moment, by SKU."""

    there: frozenset[str] = frozenset()
    """SKUs of which something is free, and that nobody marked as sold out."""
    back_at: Mapping[str, datetime] = field(default_factory=dict)
    """When marked SKUs are there again, where that is known."""
    by_recipe: frozenset[str] = frozenset()
    """Items and choices that take what their recipes say, not one portion of their SKU."""


class Shelves(Protocol):
    """Reads stock."""

    async def shelf(self, shop_id: ShopId, *, now: datetime) -> Shelf:
        """Return what can be sold now."""
        ...


class Rates(Protocol):
    """Reads prices of coins."""

    async def latest(self, currency: Currency) -> Mapping[Asset, Rate]:
        """Return the newest rates in a currency, at most a second later than they were found, however old."""
        ...


@dataclass(frozen=True, slots=True)
class MenuSources:
    """What the document of a menu is made of."""

    store: Store[Menu]
    shops: Shops
    rates: Rates
    shelves: Shelves
    clock: Clock
    images_at: str = ""
    """The URL at which pictures are read, without a slash at its end."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything the operations of this service are given."""

    store: Store[Menu]
    shops: Shops
    documents: Documents[MenuView]
    inbox: Inbox
    clock: Clock


@dataclass(frozen=True, slots=True)
class OrderStanding:
    """What became of an order, and the version at which that was true."""

    over: bool
    """It was cancelled or expired: nobody will pay it."""
    version: int


class OrderStandings(Protocol):
    """Reads orders from the primary."""

    async def standing(self, order_id: OrderId) -> OrderStanding:
        """Return what became of the order. Raises NotFound."""
        ...


class DiscountReads(Protocol):
    """What is asked of discounts besides one stream; from the primary."""

    async def with_code(self, shop_id: ShopId, code: str) -> DiscountId | None:
        """Return the discount of the shop that has the code, or None."""
        ...

    async def count(self, shop_id: ShopId) -> int:
        """Return how many discounts the shop has."""
        ...

    async def page(self, shop_id: ShopId, *, after: str | None, limit: int) -> Page[tuple[Stored[KeptDiscount], int]]:
        """Return the shop's discounts by id, after the cursor, each with how many orders have it."""
        ...


@dataclass(frozen=True, slots=True)
class Discounting:
    """Everything the operations of discounts are given."""

    store: Store[KeptDiscount]
    """Appending one takes its code, or gives it free, in the same commit."""
    uses: Store[DiscountUse]
    """Appending to one counts down how often its discount was used, in the same commit."""
    read: DiscountReads
    menus: Store[Menu]
    shops: Shops
    orders: OrderStandings
    inbox: Inbox
    clock: Clock


@dataclass(frozen=True, slots=True)
class Imaging:
    """Everything the operations of pictures are given."""

    catalog: Catalog
    bucket: Bucket


class Warmable(Protocol):
    """Documents that can be made before somebody asks for them."""

    async def warm(self, id: str, *, ahead: timedelta) -> bool:
        """Build the document anew if it is out of date, or will be before `ahead` is over; return whether it was."""
        ...


class Popular(Protocol):
    """Knows where people order."""

    async def shops(self, *, since: datetime, limit: int) -> Sequence[ShopId]:
        """Return the shops with the most orders since then, the busiest first."""
        ...


@dataclass(frozen=True, slots=True)
class Warming:
    """Everything warm_menus is given."""

    documents: Warmable
    popular: Popular
    clock: Clock
