"""Values of supply: deliveries, what orders hold, what is on the shelf."""

from enum import StrEnum

from pydantic import Field, model_validator

from shared.kernel.ids import MerchantId, OrderId, ReceiptId, ReservationId, ShopId
from shared.kernel.money import Frozen
from shared.kernel.text import Line, Sku
from shared.supply.facts import StockLine


class ReceivedLine(Frozen):
    """So many portions of one SKU."""

    sku: Sku
    quantity: int = Field(ge=1, le=1_000_000, strict=True)


class ReceiveStock(Frozen):
    """A delivery as the shop's staff enters it."""

    lines: tuple[ReceivedLine, ...] = Field(min_length=1, max_length=200)
    note: Line = ""

    @model_validator(mode="after")
    def _distinct(self) -> "ReceiveStock":
        if len({line.sku for line in self.lines}) != len(self.lines):
            raise ValueError("lines: a SKU stands there twice")
        return self


class ShopPath(Frozen):
    """Names one shop."""

    shop_id: ShopId


class GetStock(ShopPath):
    """Which part of a shop's stock."""

    cursor: Sku | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=100)


class StockReceipt(Frozen):
    """The state of a delivery: one fact, and one row of `stock_receipts`."""

    receipt_id: ReceiptId
    shop_id: ShopId
    merchant_id: MerchantId
    lines: tuple[StockLine, ...]
    note: str = ""


class HoldState(StrEnum):
    """held → released, or held → consumed. No other way."""

    HELD = "held"
    RELEASED = "released"
    CONSUMED = "consumed"


class StockHold(Frozen):
    """What an order holds of the stock: one row of `stock_holds`, laid by the order's own commit at version 0."""

    reservation_id: ReservationId
    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    lines: tuple[StockLine, ...]
    state: HoldState


class ReceiptView(Frozen):
    """A delivery that was taken into stock."""

    receipt_id: ReceiptId
    shop_id: ShopId
    lines: tuple[StockLine, ...]
    note: str = ""


class StockLevel(Frozen):
    """Portions of one SKU: on the shelf, of these held by orders, and free to be ordered."""

    sku: str
    on_hand: int
    reserved: int
    free: int


class StockPage(Frozen):
    """A page of a shop's stock by SKU; `next` is the cursor of the following page."""

    levels: tuple[StockLevel, ...]
    next: str | None = None
