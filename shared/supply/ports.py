"""What supply needs from outside: its own stores, the counters, and what it reads of shops and orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.kernel.clock import Clock
from shared.kernel.decision import Page
from shared.kernel.ids import MerchantId, OrderId, ShopId
from shared.kernel.store import Inbox, Store
from shared.supply.item_model import StockItem
from shared.supply.model import (
    Recipe,
    StockAdjustment,
    StockHold,
    StockLevel,
    StockMovement,
    StockReceipt,
    StockTransfer,
)


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


class Recipes(Store[Recipe], Protocol):
    """What items and choices take."""

    async def of_shop(self, shop_id: ShopId, merchant_id: MerchantId, *, after: str | None, limit: int) -> Page[Recipe]:
        """Return the shop's recipes by item or choice, after the cursor."""
        ...


class Menus(Protocol):
    """Reads menus."""

    async def sells(self, shop_id: ShopId, product_id: str) -> bool:
        """Return whether the item or choice is on the shop's present menu."""
        ...


class StockItems(Store[StockItem], Protocol):
    """What shops want of their SKUs."""

    async def crossed(self, shop_id: ShopId, skus: Sequence[str]) -> Sequence[str]:
        """Return those of the SKUs that are low and not told to be, or told to be and not low."""
        ...


class Shelves(Protocol):
    """Reads the counters and the ledger of what moved them."""

    async def levels(
        self, shop_id: ShopId, merchant_id: MerchantId, *, after: str | None, limit: int
    ) -> Page[StockLevel]:
        """Return the shop's stock by SKU, after the cursor."""
        ...

    async def of(self, shop_id: ShopId, skus: Sequence[str]) -> Mapping[str, StockLevel]:
        """Return the present levels of these SKUs, by SKU; none of what was never in stock there."""
        ...

    async def movements(
        self, shop_id: ShopId, merchant_id: MerchantId, *, sku: str | None, before: int | None, limit: int
    ) -> Sequence[StockMovement]:
        """Return what moved at the shop, newest first, before the entry; of one SKU where it is named."""
        ...


@dataclass(frozen=True, slots=True)
class Supply:
    """Everything the operations of this service are given."""

    receipts: Store[StockReceipt]
    """Appending a receipt counts its lines up, in the same commit."""
    adjustments: Store[StockAdjustment]
    """Appending an adjustment moves the counters by its deltas, in the same commit, or is refused."""
    transfers: Store[StockTransfer]
    """Appending a transfer moves the counters of both shops, in the same commit, or is refused."""
    holds: Store[StockHold]
    """Appending to a hold counts its lines down, in the same commit."""
    recipes: Recipes
    """Appending a recipe fixes the units of SKUs nobody has named before, and is refused where they have others."""
    menus: Menus
    items: StockItems
    """Telling that a SKU is low, or no more, is refused in the commit unless it is so."""
    shelves: Shelves
    shops: Shops
    orders: Orders
    inbox: Inbox
    clock: Clock
