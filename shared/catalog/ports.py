"""What the catalog needs from outside: its own store, what it reads of shops and rates, and a cache."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from shared.catalog.model import Menu, MenuView
from shared.kernel.clock import Clock
from shared.kernel.documents import Documents
from shared.kernel.ids import MerchantId, ShopId
from shared.kernel.money import Asset, Currency
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


class Rates(Protocol):
    """Reads prices of coins."""

    async def latest(self, currency: Currency) -> Mapping[Asset, Rate]:
        """Return the newest rates in a currency, at most a second later than they were found, however old."""
        ...


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything the operations of this service are given."""

    store: Store[Menu]
    shops: Shops
    documents: Documents[MenuView]
    inbox: Inbox
    clock: Clock
