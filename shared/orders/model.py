"""Values of orders: what a customer sends, what is kept, what is shown."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AwareDatetime, Field, StringConstraints

from shared.kernel.ids import ItemId, MerchantId, ModifierId, OrderId, PaymentId, ShopId, UserId
from shared.kernel.money import Asset, Currency, Fiat, Frozen, Units
from shared.kernel.text import Line, Note
from shared.orders.facts import Delivery, LineTax, OrderLine

Code = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{2,31}$")]
"""The code of a discount, as customers write it."""


class OrderStatus(StrEnum):
    """pending → confirmed → preparing → ready → completed; or cancelled, or expired. No other way."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    PREPARING = "preparing"
    READY = "ready"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


MAX_TIP: Final = 10**8


class LineRequest(Frozen):
    """So many of one item, with the choices made."""

    item_id: ItemId
    quantity: int = Field(default=1, ge=1, le=100, strict=True)
    modifiers: tuple[ModifierId, ...] = Field(default=(), max_length=20)


class ModifyOrder(Frozen):
    """What an order is to be instead: all of it. Prices are the server's; `menu_version` says which ones were shown."""

    menu_version: int | None = Field(default=None, ge=1, strict=True)
    lines: tuple[LineRequest, ...] = Field(min_length=1, max_length=50)
    note: Note = ""
    discount_code: Code | None = Field(default=None, description="In capital or small letters")
    pickup_at: AwareDatetime | None = Field(
        default=None, description="When you come for it; without it, it is made as soon as possible"
    )
    tip: Units = Field(default=0, ge=0, le=MAX_TIP, description="In minor units; goes to the shop with the payment")


class PlaceOrder(ModifyOrder):
    """An order as a customer sends it. Prices are the server's; `menu_version` says which ones were shown."""

    shop_id: ShopId


class Destination(Frozen):
    """Where an order is to be brought to, as its customer says it."""

    address: Line = Field(min_length=1)
    latitude: float = Field(ge=-85, le=85, allow_inf_nan=False)
    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False)
    instructions: Line = ""


class DestinationView(Frozen):
    """Where an order is to be brought to, for its customer and its shop."""

    order_id: OrderId
    destination: Destination
    distance_m: int
    fee: Fiat


class DeliveryView(Frozen):
    """That an order is delivered. Where to is told by get_destination alone."""

    distance_m: int
    fee: Fiat
    dispatched_at: datetime | None = None


class CancelOrder(Frozen):
    """Why it is called off; may be empty."""

    reason: Line = ""


class OrderPath(Frozen):
    """Names one order."""

    order_id: OrderId


class ShopPath(Frozen):
    """Names one shop."""

    shop_id: ShopId


class ListOrders(Frozen):
    """Which orders: of the caller, or of a shop where the caller works."""

    shop_id: ShopId | None = None
    cursor: OrderId | None = None
    limit: int = Field(default=20, ge=1, le=100)


class Order(Frozen):
    """The state of an order: a pure fold of its facts, and one row of `orders`."""

    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    customer_id: UserId
    status: OrderStatus
    halted: bool = False
    lines: tuple[OrderLine, ...]
    currency: Currency
    total: Units
    menu_version: int
    payment_id: PaymentId | None = None
    note: str = ""
    pickup_at: datetime | None = None
    slot: datetime | None = None
    tip: Units = 0
    delivery: Delivery | None = None
    dispatched_at: datetime | None = None
    placed_at: datetime
    pay_by: datetime
    hold_until: datetime
    changed_at: datetime


class OrderView(Frozen):
    """An order as its customer and its shop see it."""

    order_id: OrderId
    shop_id: ShopId
    customer_id: UserId
    status: OrderStatus
    halted: bool = Field(description="The chain took the payment back; nothing goes on until it settles again")
    lines: tuple[OrderLine, ...]
    discount: Fiat | None = Field(default=None, description="What was taken off the lines")
    taxes: tuple[LineTax, ...] = Field(default=(), description="Those of the lines, added up")
    total: Fiat
    menu_version: int
    payment_id: PaymentId | None = None
    note: str = ""
    pickup_at: datetime | None = Field(default=None, description="Absent: as soon as possible")
    tip: Fiat | None = Field(default=None, description="Part of the total; absent where none is given")
    delivery: DeliveryView | None = Field(default=None, description="Absent where it is fetched")
    placed_at: datetime
    pay_by: datetime
    changed_at: datetime
    version: int

    @classmethod
    def of(cls, order: Order, version: int) -> "OrderView":
        """Return what is shown of an order at a version."""
        return cls(
            order_id=order.order_id,
            shop_id=order.shop_id,
            customer_id=order.customer_id,
            status=order.status,
            halted=order.halted,
            lines=order.lines,
            discount=_off(order),
            taxes=added_up(order.lines),
            total=Fiat(currency=order.currency, units=order.total),
            menu_version=order.menu_version,
            payment_id=order.payment_id,
            note=order.note,
            pickup_at=order.pickup_at,
            tip=Fiat(currency=order.currency, units=order.tip) if order.tip else None,
            delivery=_delivery(order),
            placed_at=order.placed_at,
            pay_by=order.pay_by,
            changed_at=order.changed_at,
            version=version,
        )


def _delivery(order: Order) -> DeliveryView | None:
    """Return what is shown of an order's delivery."""
    if order.delivery is None:
        return None
    return DeliveryView(
        distance_m=order.delivery.distance_m,
        fee=Fiat(currency=order.currency, units=order.delivery.fee),
        dispatched_at=order.dispatched_at,
    )


def _off(order: Order) -> Fiat | None:
    """Return what was taken off an order, or None."""
    off = sum(line.discount.units for line in order.lines if line.discount is not None)
    return Fiat(currency=order.currency, units=off) if off else None


def added_up(lines: Iterable[OrderLine]) -> tuple[LineTax, ...]:
    """Return the taxes of an order's lines, one for each name, rate and inclusion, in the order they come in."""
    found: dict[tuple[str, int, str], LineTax] = {}
    for tax in (tax for line in lines for tax in line.taxes):
        key = tax.name, tax.rate_bp, tax.inclusion
        known = found.get(key)
        found[key] = tax if known is None else tax.model_copy(update={"units": known.units + tax.units})
    return tuple(found.values())


class OrderPage(Frozen):
    """A page of orders, newest first; `next` is the cursor of the following page."""

    orders: tuple[OrderView, ...]
    next: str | None = None


class KitchenQueue(Frozen):
    """What a shop has to make and hand out, oldest first."""

    orders: tuple[OrderView, ...]


class LivePayment(Frozen):
    """How far the payment of a live order has come."""

    payment_id: PaymentId
    asset: Asset
    amount: str
    finality: str
    expired: bool


class LiveOrder(Frozen):
    """The document a customer's phone listens to: written whole, guarded by (generation, version)."""

    order_id: OrderId
    customer_id: UserId
    shop_id: ShopId
    status: OrderStatus
    halted: bool
    total: Fiat
    payment: LivePayment | None = None
    claimable: bool
    changed_at: datetime
    generation: int
    version: int = Field(description="Versions of the order, its payments and its claim, added up: it only grows")
