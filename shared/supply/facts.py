"""Published facts of supply. Stock counters fold from these and from `order.placed`, which reserves."""

from typing import ClassVar

from pydantic import Field

from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, OrderId, ReceiptId, ShopId
from shared.kernel.money import Frozen


class StockLine(Frozen):
    """So many portions of one SKU."""

    sku: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    quantity: int = Field(ge=1, le=1_000_000)


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
