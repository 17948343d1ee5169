"""Values of refunds: what is asked for, what is kept on the payment, what is shown."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import Field, model_validator

from shared.kernel.ids import OrderId, PaymentId, RefundId, ShopId
from shared.kernel.money import Fiat, Frozen, KnownAsset, Money, Units
from shared.kernel.text import Line
from shared.payments.facts import RefundDelay, RefundLine, RefundRate

POLICY: Final = "policy"
"""Who approves what needs nobody's consent, and declines what nothing is left of."""


class RefundState(StrEnum):
    """How far a refund has come. Declined and confirmed are ends."""

    REQUESTED = "requested"
    APPROVED = "approved"
    DECLINED = "declined"
    SIGNED = "signed"
    BROADCAST = "broadcast"
    MINED = "mined"
    CONFIRMED = "confirmed"


UNDER_WAY: Final = frozenset({RefundState.SIGNED, RefundState.BROADCAST, RefundState.MINED})
"""Bytes that pay it exist, and none of them is final."""
SENT: Final = UNDER_WAY | {RefundState.CONFIRMED}
AGREED: Final = SENT | {RefundState.APPROVED}
OPEN: Final = UNDER_WAY | {RefundState.APPROVED}
"""The sender has to look at it."""


class SignedBytes(Frozen):
    """A transaction that was signed for a refund; see `payment.refund_signed.v1`."""

    txid: str
    raw: str
    slots: tuple[str, ...]
    fee: Money
    at: datetime


class MinedIn(Frozen):
    """The block that holds a refund's transaction."""

    txid: str
    height: int
    block_hash: str


class Refund(Frozen):
    """Coins of a payment that are given back, or were: a fold of its facts, kept on the payment.

    `amount` is reserved until it is declined or confirmed; `of_settled` base units of it come from the shop's revenue.
    `signed` has the transactions of the present attempt, each dearer than the one before, any of which may confirm.
    `fee` is what the network took in the end, `lost` what it took for attempts that failed.
    """

    refund_id: RefundId
    amount: Money
    of_settled: Units = 0
    to: str
    to_key: str
    rate: RefundRate
    worth: Fiat | None = None
    requested_by: str
    by_customer: bool
    approvals: int
    lines: tuple[RefundLine, ...] = ()
    approved_by: tuple[str, ...] = ()
    declined_by: str | None = None
    reason: str | None = None
    state: RefundState = RefundState.REQUESTED
    delayed: RefundDelay | None = None
    signed: tuple[SignedBytes, ...] = ()
    mined: MinedIn | None = None
    fee: Money | None = None
    lost: Money | None = None
    failures: int = 0
    moved: Units | None = None
    requested_at: datetime
    changed_at: datetime


class RequestRefund(Frozen):
    """What is to be given back, and where to. Without `units` it is everything that the caller may ask for."""

    to: str = Field(
        min_length=14, max_length=90, description="An address on the payment's chain that its owner has the keys of"
    )
    asset: KnownAsset | None = Field(default=None, description="The payment's own, unless another coin arrived")
    units: Units | None = Field(default=None, ge=1, description="Base units: satoshi, wei, token units")
    lines: tuple[RefundLine, ...] = Field(
        default=(),
        max_length=50,
        description="For the shop, instead of `units`: lines of the order, at the rate of the quote",
    )
    rate: RefundRate | None = Field(default=None, description="For the shop to choose; else the platform's policy")
    reason: Line | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "RequestRefund":
        if self.lines and (self.units is not None or self.asset is not None):
            raise ValueError("lines: name lines, or units of an asset, not both")
        if len({line.line for line in self.lines}) != len(self.lines):
            raise ValueError("lines: each line once")
        return self


class DecideRefund(Frozen):
    """Whether somebody of the merchant agrees to a refund."""

    approve: bool
    reason: Line | None = None


class RefundPath(Frozen):
    """Names one refund."""

    refund_id: RefundId


class ListRefunds(Frozen):
    """Which refunds of a shop, newest first."""

    shop_id: ShopId
    state: RefundState | None = None
    cursor: RefundId | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=100)


class RefundView(Frozen):
    """A refund as it is shown. Who approved it is shown to the shop alone."""

    refund_id: RefundId
    payment_id: PaymentId
    order_id: OrderId
    shop_id: ShopId
    chain: str
    amount: Money
    of_settled: Money = Field(description="As much of it was the shop's revenue")
    to: str
    rate: RefundRate
    worth: Fiat | None = Field(description="At the rate of the payment's quote")
    state: RefundState
    delayed: RefundDelay | None = Field(description="What it waits for, where it is approved and can't be sent now")
    by_customer: bool
    approvals: int = Field(description="As many different people must approve it")
    approved: int = Field(description="As many have")
    approved_by: tuple[str, ...] = ()
    reason: str | None
    lines: tuple[RefundLine, ...] = Field(default=(), description="Lines of the order that it is for")
    txids: tuple[str, ...] = Field(
        description="The transactions that may pay it: one of them confirms, the others can't"
    )
    height: int | None
    fee: Money | None = Field(description="What the network took; the shop bears it")
    moved: Money | None = Field(description="What reached the address, where the token keeps a fee of its own")
    requested_at: datetime
    changed_at: datetime


class RefundPage(Frozen):
    """Refunds of a shop; `next` is the cursor of the following page."""

    refunds: tuple[RefundView, ...]
    next: RefundId | None = None
