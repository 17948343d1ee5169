"""Values of what a shop wants of one SKU: its reorder point, and whether it is marked as sold out."""

from datetime import datetime

from pydantic import AwareDatetime, Field, model_validator

from shared.kernel.ids import MerchantId, ShopId, StockItemId
from shared.kernel.money import Frozen
from shared.kernel.text import Sku


class SetReorderPoint(Frozen):
    """From which quantity on hand downwards a SKU is low; null where nobody wants to be told."""

    sku: Sku
    reorder_point: int | None = Field(ge=0, le=10**9, strict=True)


class SetSkuAvailability(Frozen):
    """Whether nothing of a SKU may be ordered, whatever is counted. Without `until`: until somebody says otherwise."""

    sku: Sku
    sold_out: bool = Field(strict=True)
    until: AwareDatetime | None = Field(default=None, description="When it is there again by itself")

    @model_validator(mode="after")
    def _until_what(self) -> "SetSkuAvailability":
        if self.until is not None and not self.sold_out:
            raise ValueError("`until` is for what is sold out")
        return self


class StockItem(Frozen):
    """What a shop wants of one SKU, whether it is told to be low or marked as sold out: a row of `stock_items`."""

    stock_item_id: StockItemId
    shop_id: ShopId
    merchant_id: MerchantId
    sku: str
    reorder_point: int | None = None
    low: bool = False
    sold_out: bool = False
    until: datetime | None = None


class ReorderPointView(Frozen):
    """The reorder point of a SKU, and whether the SKU was low when it was set."""

    shop_id: ShopId
    sku: str
    reorder_point: int | None = None
    low: bool


class SkuAvailabilityView(Frozen):
    """Whether a SKU is marked as sold out, and until when."""

    shop_id: ShopId
    sku: str
    sold_out: bool
    until: datetime | None = None
