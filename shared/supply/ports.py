"""What supply needs from outside: its own stores, the counters, and what it reads of shops and orders."""

from dataclasses import dataclass
from typing import Protocol

from shared.kernel.clock import Clock
from shared.kernel.decision import Page
from shared.kernel.ids import MerchantId, OrderId, ShopId
from shared.kernel.store import Inbox, Store
from shared.supply.model import StockHold, StockLevel, StockReceipt


@dataclass(frozen=True, slots=True)
class OrderStanding:
    """What became of an order, and the version at which that was true."""

    order_id: OrderId
    over: bool
    """It was cancelled or expired: nobody will make it."""
    begun: bool
    """Its preparation began, whatever came after."""
    version: int


class Shops(Protocol):
    """Reads shops."""

    async def merchant_of(self, shop_id: ShopId) -> MerchantId:
        """Return whose shop it is. Raises NotFound."""
        ...


class Orders(Protocol):
    """Reads orders from the primary."""

    async def standing(self, order_id: OrderId) -> OrderStanding:
        """Return what became of the order. Raises NotFound."""
        ...


class Shelves(Protocol):
    """Reads the counters."""

    async def levels(
        self, shop_id: ShopId, merchant_id: MerchantId, *, after: str | None, limit: int
    ) -> Page[StockLevel]:
        """Return the shop's stock by SKU, after the cursor."""
        ...


@dataclass(frozen=True, slots=True)
class Supply:
    """Everything the operations of this service are given."""

    receipts: Store[StockReceipt]
    """Appending a receipt counts its lines up, in the same commit."""
    holds: Store[StockHold]
    """Appending to a hold counts its lines down, in the same commit."""
    shelves: Shelves
    shops: Shops
    orders: Orders
    inbox: Inbox
    clock: Clock
