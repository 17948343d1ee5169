"""get_receipt: what was bought, what was paid in which coin, and what was given back; to read, to print, to file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from pydantic import Field

from shared.kernel.decision import By
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.ids import OrderId, PaymentId, RefundId, ShopId
from shared.kernel.money import Asset, Fiat, Frozen, Money
from shared.kernel.reply import Encoded, Reply
from shared.orders import lifecycle
from shared.orders.facts import OrderLine
from shared.orders.model import Order, OrderStatus, added_up
from shared.orders.ports import Orders

Format = Literal["json", "html", "pdf"]
MEDIA_TYPE: Final[dict[Format, str]] = {
    "json": "application/json",
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
}


class NotPaid(Conflict):
    """There is nothing to give a receipt for."""

    type = "not-paid"
    title = "The order is not paid"


class ReceiptPath(Frozen):
    """Names one order, and the form that its receipt is wanted in."""

    order_id: OrderId
    format: Format | None = Field(default=None, description="Otherwise what the Accept header prefers; JSON by default")


class SoldBy(Frozen):
    """The shop, as it is called now."""

    shop_id: ShopId
    name: str
    address: str
    timezone: str


class PaidWith(Frozen):
    """A payment that settled: coins that arrived, the rate they were taken at, and where everybody can see them."""

    payment_id: PaymentId
    chain: str
    asset: Asset
    received: Money
    rate: str = Field(description="Fiat per whole coin, as it was quoted")
    settled_at: datetime
    txids: tuple[str, ...]


class GivenBack(Frozen):
    """A refund that is final."""

    refund_id: RefundId
    amount: Money
    worth: Fiat | None = Field(default=None, description="At the rate of the payment's quote")
    txid: str
    at: datetime


class TaxSum(Frozen):
    """One tax on all lines that have it."""

    name: str
    rate_bp: int = Field(description="In 0.01 %")
    inclusion: Literal["inclusive", "exclusive"]
    amount: Fiat


class Receipt(Frozen):
    """What was bought, paid and given back."""

    order_id: OrderId
    status: OrderStatus
    shop: SoldBy
    placed_at: datetime
    lines: tuple[OrderLine, ...]
    discount: Fiat = Field(description="Taken off the lines, all together")
    taxes: tuple[TaxSum, ...] = Field(description="By name, rate and kind; inclusive ones are part of the prices")
    tip: Fiat
    delivery_fee: Fiat
    total: Fiat
    payments: tuple[PaidWith, ...]
    refunds: tuple[GivenBack, ...]


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a receipt shows beside its order."""

    shop: SoldBy
    payments: Sequence[PaidWith]
    refunds: Sequence[GivenBack]


class Purchases(Protocol):
    """Reads what belongs to an order, from the primary."""

    async def of(self, order_id: OrderId) -> Purchase:
        """Return the order's shop, the payments that stand settled and the refunds that are final."""
        ...


class Pages(Protocol):
    """Sets receipts."""

    def html(self, receipt: Receipt) -> bytes:
        """Return the receipt as a page that needs nothing else."""
        ...

    def pdf(self, receipt: Receipt) -> bytes:
        """Return the receipt as a PDF; the same one for the same receipt."""
        ...


async def get_receipt(
    asked: ReceiptPath, accept: str, *, by: By, using: Orders, purchases: Purchases, pages: Pages
) -> Reply[Encoded[Receipt]]:
    """Return the receipt in the form that was asked for. Raises NotFound, also for somebody else's, and NotPaid."""
    found = await using.store.load(asked.order_id)
    if found is None:
        raise NotFound("There is no such order.")
    order = lifecycle.visible(found.state, by)
    receipt = receipt_of(order, await purchases.of(order.order_id))
    chosen = asked.format or accepted(accept)
    headers = {"cache-control": "no-store", "vary": "accept"}
    if chosen == "json":
        return Reply(Encoded(receipt.model_dump_json(exclude_none=True).encode()), headers=headers)
    headers["content-disposition"] = f'inline; filename="receipt-{order.order_id}.{chosen}"'
    body = pages.pdf(receipt) if chosen == "pdf" else pages.html(receipt)
    return Reply(Encoded(body), content_type=MEDIA_TYPE[chosen], headers=headers)


def receipt_of(order: Order, bought: Purchase) -> Receipt:
    """Return the receipt of an order. Raises NotPaid while no payment stands settled and nothing was given back."""
    if not bought.payments and not bought.refunds:
        raise NotPaid("A receipt is there as soon as a payment has settled.")
    return Receipt(
        order_id=order.order_id,
        status=order.status,
        shop=bought.shop,
        placed_at=order.placed_at,
        lines=order.lines,
        discount=Fiat(currency=order.currency, units=sum(line.discount.units for line in order.lines if line.discount)),
        taxes=_taxes(order),
        tip=Fiat(currency=order.currency, units=order.tip),
        delivery_fee=Fiat(currency=order.currency, units=order.delivery.fee if order.delivery else 0),
        total=Fiat(currency=order.currency, units=order.total),
        payments=tuple(bought.payments),
        refunds=tuple(bought.refunds),
    )


def _taxes(order: Order) -> tuple[TaxSum, ...]:
    return tuple(
        TaxSum(
            name=tax.name,
            rate_bp=tax.rate_bp,
            inclusion=tax.inclusion,
            amount=Fiat(currency=order.currency, units=tax.units),
        )
        for tax in added_up(order.lines)
    )


def accepted(accept: str) -> Format:
    """Return the first form that an Accept header names, JSON where it names none."""
    for part in accept.split(","):
        media = part.partition(";")[0].strip().lower()
        for format, type_ in MEDIA_TYPE.items():
            if media == type_.partition(";")[0]:
                return format
    return "json"
