"""Values of supply: deliveries, adjustments, what orders hold, what is on the shelf and how it came there."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, model_validator

from shared.kernel.ids import (
    AdjustmentId,
    EventId,
    MerchantId,
    OrderId,
    ReceiptId,
    RecipeId,
    ReservationId,
    ShopId,
    TransferId,
)
from shared.kernel.money import Frozen
from shared.kernel.text import Line, Sku
from shared.supply.facts import AdjustedLine, AdjustmentReason, BaseUnit, RecipeLine, StockLine, Substitution
from shared.supply.units import Unit, in_base

MOST: Final = 1_000_000
"""Of one SKU in one movement, in its base unit."""
Quantity = Annotated[int, Field(ge=1, le=MOST, strict=True)]


def _each_once(skus: Iterable[str]) -> None:
    named = list(skus)
    if len(set(named)) != len(named):
        raise ValueError("lines: a SKU stands there twice")


def _no_more(quantity: int | None, unit: Unit | None, most: int = MOST) -> None:
    if quantity is not None and abs(in_base(quantity, unit)) > most:
        raise ValueError(f"at most {most} g, ml or pieces")


AnyUnit = Annotated[Unit | None, Field(description="None: what the SKU is counted in; pieces where it is new")]


class ReceivedLine(Frozen):
    """So much of one SKU."""

    sku: Sku
    quantity: Quantity
    unit: AnyUnit = None

    @model_validator(mode="after")
    def _bounded(self) -> "ReceivedLine":
        _no_more(self.quantity, self.unit)
        return self


class ReceiveStock(Frozen):
    """A delivery as the shop's staff enters it."""

    lines: tuple[ReceivedLine, ...] = Field(min_length=1, max_length=200)
    note: Line = ""

    @model_validator(mode="after")
    def _distinct(self) -> "ReceiveStock":
        _each_once(line.sku for line in self.lines)
        return self


class AdjustLine(Frozen):
    """By how much, or to how much: `delta`, or `counted` together with the `version` that get_stock showed."""

    sku: Sku
    delta: int | None = Field(default=None, ge=-MOST, le=MOST, strict=True, description="Added to what is on hand")
    counted: int | None = Field(default=None, ge=0, le=10**9, strict=True, description="What there is, by counting it")
    version: int | None = Field(
        default=None, ge=0, strict=True, description="Of the SKU when it was counted; 0 where it was never in stock"
    )
    unit: AnyUnit = None

    @model_validator(mode="after")
    def _one_way(self) -> "AdjustLine":
        if (self.delta is None) == (self.counted is None):
            raise ValueError("give either delta or counted")
        if (self.counted is None) != (self.version is None):
            raise ValueError("counted and version go together")
        if self.delta == 0:
            raise ValueError("a delta of nothing changes nothing")
        _no_more(self.delta, self.unit)
        _no_more(self.counted, self.unit, 10**9)
        return self


class AdjustStock(Frozen):
    """What the shop's staff found on the shelf, and why it differs from the books."""

    reason: AdjustmentReason
    lines: tuple[AdjustLine, ...] = Field(min_length=1, max_length=200)
    note: Line = ""

    @model_validator(mode="after")
    def _sensible(self) -> "AdjustStock":
        _each_once(line.sku for line in self.lines)
        if self.reason is AdjustmentReason.COUNT and any(line.counted is None for line in self.lines):
            raise ValueError("a count says what was counted")
        lost = self.reason in {AdjustmentReason.WASTE, AdjustmentReason.DAMAGE, AdjustmentReason.THEFT}
        if lost and any(line.delta is None or line.delta > 0 for line in self.lines):
            raise ValueError(f"{self.reason} takes away: give a negative delta")
        return self


class ShopPath(Frozen):
    """Names one shop."""

    shop_id: ShopId


class GetStock(ShopPath):
    """Which part of a shop's stock."""

    cursor: Sku | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=100)


class TransferStock(Frozen):
    """What is sent to which other location of the same merchant."""

    to_shop_id: ShopId
    lines: tuple[ReceivedLine, ...] = Field(min_length=1, max_length=100)
    note: Line = ""

    @model_validator(mode="after")
    def _distinct(self) -> "TransferStock":
        _each_once(line.sku for line in self.lines)
        return self


class PutRecipeLine(Frozen):
    """So much of one SKU: 18 g of beans."""

    sku: Sku
    quantity: Quantity
    unit: Unit

    @model_validator(mode="after")
    def _bounded(self) -> "PutRecipeLine":
        _no_more(self.quantity, self.unit)
        return self


class PutSubstitution(Frozen):
    """A choice takes `by` where its item takes `sku`: oat milk instead of milk."""

    sku: Sku
    by: Sku

    @model_validator(mode="after")
    def _another(self) -> "PutSubstitution":
        if self.sku == self.by:
            raise ValueError("a SKU can't take its own place")
        return self


class PutRecipe(Frozen):
    """What an item or a choice of the shop's menu takes of its stock. An item with a recipe takes no `sku` besides."""

    product_id: str = Field(
        pattern=r"^(itm|opt)_[0-9a-f]{32}$", strict=True, description="The item, or the choice of a modifier group"
    )
    takes: tuple[PutRecipeLine, ...] = Field(default=(), max_length=30)
    instead: tuple[PutSubstitution, ...] = Field(default=(), max_length=10, description="For choices alone")

    @model_validator(mode="after")
    def _sensible(self) -> "PutRecipe":
        _each_once(line.sku for line in self.takes)
        _each_once(swap.sku for swap in self.instead)
        if self.instead and self.product_id.startswith("itm"):
            raise ValueError("instead: only a choice replaces what its item takes")
        return self


class ListRecipes(ShopPath):
    """Which part of a shop's recipes."""

    cursor: str | None = Field(
        default=None, pattern=r"^(itm|opt)_[0-9a-f]{32}$", description="`next` of the page before"
    )
    limit: int = Field(default=50, ge=1, le=100)


class ListMovements(ShopPath):
    """Which movements of a shop's goods: of all, or of one SKU."""

    sku: Sku | None = None
    cursor: int | None = Field(default=None, ge=1, le=2**63 - 1, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=100)


class StockReceipt(Frozen):
    """The state of a delivery: one fact, and one row of `stock_receipts`."""

    receipt_id: ReceiptId
    shop_id: ShopId
    merchant_id: MerchantId
    lines: tuple[StockLine, ...]
    note: str = ""


class StockAdjustment(Frozen):
    """The state of an adjustment: one fact, and one row of `stock_adjustments`."""

    adjustment_id: AdjustmentId
    shop_id: ShopId
    merchant_id: MerchantId
    reason: AdjustmentReason
    lines: tuple[AdjustedLine, ...]
    note: str = ""


class StockTransfer(Frozen):
    """The state of a transfer: one fact, and one row of `stock_transfers`."""

    transfer_id: TransferId
    merchant_id: MerchantId
    from_shop_id: ShopId
    to_shop_id: ShopId
    lines: tuple[StockLine, ...]
    note: str = ""


class Recipe(Frozen):
    """The state of a recipe: what its last fact says, and one row of `recipes`."""

    recipe_id: RecipeId
    shop_id: ShopId
    merchant_id: MerchantId
    product_id: str
    takes: tuple[RecipeLine, ...]
    instead: tuple[Substitution, ...] = ()


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


class AdjustmentView(Frozen):
    """An adjustment as it was noted."""

    adjustment_id: AdjustmentId
    shop_id: ShopId
    reason: AdjustmentReason
    lines: tuple[AdjustedLine, ...]
    note: str = ""


class TransferView(Frozen):
    """Goods that went from one location to another."""

    transfer_id: TransferId
    from_shop_id: ShopId
    to_shop_id: ShopId
    lines: tuple[StockLine, ...]
    note: str = ""


class RecipeView(Frozen):
    """What an item or a choice takes of a shop's stock, in base units."""

    shop_id: ShopId
    product_id: str
    takes: tuple[RecipeLine, ...]
    instead: tuple[Substitution, ...]

    @classmethod
    def of(cls, recipe: Recipe) -> "RecipeView":
        """Return what is shown of a recipe."""
        return cls(shop_id=recipe.shop_id, product_id=recipe.product_id, takes=recipe.takes, instead=recipe.instead)


class RecipePage(Frozen):
    """A page of a shop's recipes; `next` is the cursor of the following page."""

    recipes: tuple[RecipeView, ...]
    next: str | None = None


class StockLevel(Frozen):
    """What there is of one SKU: on the shelf, of that held by orders, and free to be ordered."""

    sku: str
    unit: BaseUnit = BaseUnit.PIECE
    on_hand: int
    reserved: int
    free: int
    version: int = Field(description="How often what is on hand has changed; a count names it")
    reorder_point: int | None = Field(default=None, description="With as much on hand, or less, it is low")
    sold_out: bool = Field(default=False, description="Marked by hand: no order takes of it, whatever is free")
    until: datetime | None = Field(default=None, description="When that ends by itself")

    @property
    def low(self) -> bool:
        """Return whether it is time to order more."""
        return self.reorder_point is not None and self.on_hand <= self.reorder_point


class StockPage(Frozen):
    """A page of a shop's stock by SKU; `next` is the cursor of the following page."""

    levels: tuple[StockLevel, ...]
    next: str | None = None


class MovementReason(StrEnum):
    """Why goods came or went. What an order merely holds has not moved."""

    RECEIVED = "received"
    CONSUMED = "consumed"
    COUNT = "count"
    WASTE = "waste"
    DAMAGE = "damage"
    THEFT = "theft"
    CORRECTION = "correction"
    TRANSFERRED_OUT = "transferred_out"
    TRANSFERRED_IN = "transferred_in"


class StockMovement(Frozen):
    """A line of the stock ledger: by how much what is on hand of a SKU changed, why, through whom, and to how much."""

    entry: int = Field(description="Grows with every line; of one SKU in the order in which it moved")
    sku: str
    version: int = Field(description="Of the SKU after it: 1 is its first movement")
    reason: MovementReason
    delta: int
    on_hand: int = Field(description="The balance after it")
    order_id: OrderId | None = Field(default=None, description="The order that used it")
    event_id: EventId = Field(description="The fact that says so")
    actor: str = Field(description="The person or staff key, or the function, that moved it")
    at: datetime


class MovementPage(Frozen):
    """A page of a shop's stock ledger, newest first; `next` is the cursor of the following page."""

    movements: tuple[StockMovement, ...]
    next: int | None = None
