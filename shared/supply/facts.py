"""Published facts of supply. Stock counters fold from these and from `order.placed`, which reserves."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from shared.kernel.facts import Fact
from shared.kernel.ids import AdjustmentId, MerchantId, OrderId, ReceiptId, ShopId, TransferId
from shared.kernel.money import Frozen


class BaseUnit(StrEnum):
    """What a SKU is counted in, always in whole numbers."""

    G = "g"
    ML = "ml"
    PIECE = "piece"


class StockLine(Frozen):
    """So much of one SKU, in its base unit; `unit` is None where it was not named."""

    sku: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    quantity: int = Field(ge=1, le=1_000_000)
    unit: BaseUnit | None = None


class StockReceived(Fact):
    """A delivery was taken into stock."""

    type: ClassVar = "supply.stock_received.v1"
    receipt_id: ReceiptId
    shop_id: ShopId
    merchant_id: MerchantId
    lines: tuple[StockLine, ...]
    note: str = ""


class StockReleased(Fact):
    """What an order held is free again: it was cancelled or expired."""

    type: ClassVar = "supply.stock_released.v1"
    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    lines: tuple[StockLine, ...]


class StockConsumed(Fact):
    """What an order held was used: its preparation began."""

    type: ClassVar = "supply.stock_consumed.v1"
    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    lines: tuple[StockLine, ...]


class AdjustmentReason(StrEnum):
    """Why the books did not say what lies on the shelf."""

    COUNT = "count"
    WASTE = "waste"
    DAMAGE = "damage"
    THEFT = "theft"
    CORRECTION = "correction"


class AdjustedLine(Frozen):
    """By how much what is on hand of one SKU changes; where it was counted: to how much, and under which version."""

    sku: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    delta: int
    counted: int | None = None
    version: int | None = None
    unit: BaseUnit | None = None


class StockAdjusted(Fact):
    """What is on the shelf was counted, went to waste, was damaged or stolen, or had been noted wrongly."""

    type: ClassVar = "supply.stock_adjusted.v1"
    adjustment_id: AdjustmentId
    shop_id: ShopId
    merchant_id: MerchantId
    reason: AdjustmentReason
    lines: tuple[AdjustedLine, ...]
    note: str = ""


class ReorderPointSet(Fact):
    """The shop wants to be told when no more than this is on hand of a SKU; without one, never."""

    type: ClassVar = "supply.reorder_point_set.v1"
    shop_id: ShopId
    merchant_id: MerchantId
    sku: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    reorder_point: int | None = Field(default=None, ge=0)


class SkuAvailabilitySet(Fact):
    """Nothing of a SKU may be ordered, until a time or until further notice, whatever is counted; or it may again."""

    type: ClassVar = "supply.sku_availability_set.v1"
    shop_id: ShopId
    merchant_id: MerchantId
    sku: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    sold_out: bool
    until: datetime | None = None


class StockLow(Fact):
    """What is on hand of a SKU came down to its reorder point. Told once until it is above it again."""

    type: ClassVar = "supply.stock_low.v1"
    shop_id: ShopId
    merchant_id: MerchantId
    sku: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    on_hand: int
    reorder_point: int


class StockReplenished(Fact):
    """What is on hand of a SKU is above its reorder point again."""

    type: ClassVar = "supply.stock_replenished.v1"
    shop_id: ShopId
    merchant_id: MerchantId
    sku: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    on_hand: int


class RecipeLine(Frozen):
    """So much of one SKU, in its base unit, for one item or choice."""

    sku: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    quantity: int = Field(ge=1, le=1_000_000)
    unit: BaseUnit


class Substitution(Frozen):
    """A choice takes `by` where its item takes `sku`, and as much of it."""

    sku: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    by: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")


class RecipePut(Fact):
    """An item or a choice takes this of the stock, from the next order on; nothing where there is nothing in it."""

    type: ClassVar = "supply.recipe_put.v1"
    shop_id: ShopId
    merchant_id: MerchantId
    product_id: str = Field(pattern=r"^(itm|opt)_[0-9a-f]{32}$")
    takes: tuple[RecipeLine, ...]
    instead: tuple[Substitution, ...] = ()


class StockTransferred(Fact):
    """Goods went from one shop of a merchant to another, out of the one's stock and into the other's at once."""

    type: ClassVar = "supply.stock_transferred.v1"
    transfer_id: TransferId
    merchant_id: MerchantId
    from_shop_id: ShopId
    to_shop_id: ShopId
    lines: tuple[StockLine, ...]
    note: str = ""
