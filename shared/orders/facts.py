"""Published facts of orders."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from shared.kernel.facts import Fact
from shared.kernel.ids import DiscountId, ItemId, MerchantId, ModifierId, OrderId, PaymentId, ShopId, UserId
from shared.kernel.money import Fiat, Frozen, Units


class ChosenModifier(Frozen):
    """A choice as it was priced."""

    modifier_id: ModifierId
    name: str
    price_delta: Units


class LineDiscount(Frozen):
    """A line's part of the discount that its order has."""

    discount_id: DiscountId
    name: str
    units: Units


class LineTax(Frozen):
    """A tax as it was reckoned: `inclusive` ones are part of what the line costs, `exclusive` ones come on top."""

    name: str
    rate_bp: int = Field(ge=0, le=10_000, description="In 0.01 %")
    inclusion: Literal["inclusive", "exclusive"]
    units: Units


class OrderLine(Frozen):
    """A line as it was priced: `total` = (unit price + modifiers) × quantity, in the order's currency.

    What is paid for it is its total less the discount, and the exclusive taxes.
    """

    item_id: ItemId
    name: str
    quantity: int = Field(ge=1, le=100)
    unit_price: Units
    modifiers: tuple[ChosenModifier, ...] = ()
    total: Units
    sku: str | None = None
    discount: LineDiscount | None = None
    taxes: tuple[LineTax, ...] = ()

    @property
    def payable(self) -> int:
        """Return what is paid for the line, in minor units, ≥ 0."""
        off = self.discount.units if self.discount else 0
        return self.total - off + sum(tax.units for tax in self.taxes if tax.inclusion == "exclusive")


def discount_of(lines: Iterable[OrderLine]) -> DiscountId | None:
    """Return the discount that an order with these lines has: one at most."""
    return next((line.discount.discount_id for line in lines if line.discount is not None), None)


class Taken(Frozen):
    """So much of one SKU, in its base unit, that an order takes of its shop's stock."""

    sku: str
    quantity: int = Field(ge=1)


def taken(reserves: Mapping[str, int]) -> tuple[Taken, ...]:
    """Return what an order takes, as facts carry it."""
    return tuple(Taken(sku=sku, quantity=quantity) for sku, quantity in sorted(reserves.items()))


class OrderPlaced(Fact):
    """A customer ordered; prices are fixed and stock is held until `hold_until`."""

    type: ClassVar = "order.placed.v1"
    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    customer_id: UserId
    menu_version: int
    lines: tuple[OrderLine, ...]
    total: Fiat
    note: str = ""
    placed_at: datetime
    pay_by: datetime
    hold_until: datetime
    pickup_at: datetime | None = None
    """When its customer comes for it; None: as soon as possible."""
    slot: datetime | None = None
    """The beginning of the quarter of an hour that it counts in, at a shop with a capacity."""
    tip: Units = 0
    """Part of the total."""
    takes: tuple[Taken, ...] | None = None
    """By the recipes of its day; None: one portion of the SKU of each line that has one."""

    @property
    def reserves(self) -> dict[str, int]:
        """Return what it takes of the shop's stock, by SKU in order, in base units."""
        if self.takes is not None:
            return {taken.sku: taken.quantity for taken in sorted(self.takes, key=lambda taken: taken.sku)}
        taken: dict[str, int] = {}
        for line in self.lines:
            if line.sku is not None:
                taken[line.sku] = taken.get(line.sku, 0) + line.quantity
        return dict(sorted(taken.items()))


class OrderFact(Fact):
    """What every later fact of an order says."""

    type: ClassVar = "order.any.v1"
    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    customer_id: UserId
    at: datetime


class OrderModified(OrderFact):
    """Its customer changed it before anything was asked for it: all of what it is now. It is to be paid as before."""

    type: ClassVar = "order.modified.v1"
    menu_version: int
    lines: tuple[OrderLine, ...]
    total: Fiat
    note: str = ""
    pickup_at: datetime | None = None
    slot: datetime | None = None
    tip: Units = 0
    takes: tuple[Taken, ...]
    """What it holds of the shop's stock from now on."""
    freed: tuple[Taken, ...]
    """What it held before."""


class Delivery(Frozen):
    """Where an order is brought to, readable with its customer's key alone, and what was agreed to about it."""

    sealed: str
    distance_m: int
    fee: Units
    minimum: Units


class OrderDestinationSet(OrderFact):
    """The order is to be brought to its customer, or (None) fetched; `total` is what it comes to now."""

    type: ClassVar = "order.destination_set.v1"
    delivery: Delivery | None = None
    total: Fiat


class OrderDispatched(OrderFact):
    """Somebody is on their way with it."""

    type: ClassVar = "order.dispatched.v1"
    courier: str


class OrderConfirmed(OrderFact):
    """Its payment settled: the kitchen may see it."""

    type: ClassVar = "order.confirmed.v1"
    payment_id: PaymentId


class OrderHalted(OrderFact):
    """Its payment was reversed by the chain before hand-over: nothing goes on until it settles again."""

    type: ClassVar = "order.halted.v1"
    payment_id: PaymentId


class OrderResumed(OrderFact):
    """Its payment settled again."""

    type: ClassVar = "order.resumed.v1"
    payment_id: PaymentId


class OrderPreparing(OrderFact):
    """A barista began; the stock is used."""

    type: ClassVar = "order.preparing.v1"
    barista: str


class OrderReady(OrderFact):
    """It stands on the counter."""

    type: ClassVar = "order.ready.v1"


class OrderCompleted(OrderFact):
    """It was handed over against its claim code."""

    type: ClassVar = "order.completed.v1"


class OrderCancelled(OrderFact):
    """The customer or the shop called it off."""

    type: ClassVar = "order.cancelled.v1"
    cancelled_by: str
    reason: str = ""


class OrderExpired(OrderFact):
    """Nobody paid in time."""

    type: ClassVar = "order.expired.v1"
