"""Values of payments: what a customer sends, what is kept, what is shown."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from shared.kernel.ids import MerchantId, OrderId, PaymentId, ShopId, UserId
from shared.kernel.money import Asset, Frozen, KnownAsset, Money, Units
from shared.payments.facts import Closing, Quote
from shared.payments.refund_model import Refund, RefundView
from shared.payments.sweep_values import PaymentSweep


class Amount(StrEnum):
    """What has arrived and not been taken back, against what is due; exact when no more than the tolerance lacks."""

    NONE = "none"
    UNDER = "under"
    EXACT = "exact"
    OVER = "over"


class Timing(StrEnum):
    """Whether what arrived was seen by expiry and mined within the hour after it."""

    NONE = "none"
    ON_TIME = "on_time"
    LATE = "late"


class Finality(StrEnum):
    """How firmly it stands. Confirmed is reversible, final is not."""

    NONE = "none"
    SEEN = "seen"
    CONFIRMED = "confirmed"
    FINAL = "final"
    REVERSED = "reversed"


class RequestPayment(Frozen):
    """How the customer wants to pay. `chain` is needed only where the asset exists on several."""

    asset: KnownAsset
    chain: str | None = Field(default=None, pattern=r"^[a-z0-9:-]{1,40}$", examples=["evm:31337"])


class OrderPath(Frozen):
    """Names one order."""

    order_id: OrderId


class PaymentPath(Frozen):
    """Names one payment."""

    payment_id: PaymentId


class QrPath(PaymentPath):
    """Names one payment, and how its picture is wanted; without `format` the Accept header says."""

    format: Literal["svg", "png"] | None = None


class Inclusion(Frozen):
    """The block that holds a transfer. `time` is the block's own."""

    height: int
    block_hash: str
    time: datetime


class Arrival(Frozen):
    """A transfer to the payment's address. `live` until its block is orphaned or its coins go elsewhere.

    `asset` is named where it is not the one that was asked for; then it counts towards nothing. `first_mined` is the
    earliest time of a block that ever held it: a reorganisation makes nobody late who was in time.
    """

    txid: str
    position: int
    units: Units
    asset: Asset | None = None
    seen_at: datetime
    live: bool
    inclusion: Inclusion | None = None
    first_mined: datetime | None = None
    gas: bool = False
    """Brought by whoever sweeps the address, to pay for it: nobody has a claim to it."""


class Payment(Frozen):
    """The state of a payment: a pure fold of its facts, and one row of `payments`.

    `included` counts what stands in live inclusions and came in time to settle; `highest` is the height of the
    highest live inclusion. `tolerance`, `dust` and `final_depth` are its terms. `superseded`: its customer chose
    another coin. `closed`: its order takes no money any more. `written_off`: the order was handed over and is unpaid.
    `exposed` (since `exposed_at`): it settled before it was in a block, and counts against the shop's loss cap.
    """

    payment_id: PaymentId
    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    customer_id: UserId
    chain: str
    asset: Asset
    address: str
    watch_key: str
    derivation_index: int
    due: Units
    confirmations: int
    tolerance: Units = 0
    dust: Units = 0
    final_depth: int = 0
    quote: Quote
    amount: Amount = Amount.NONE
    timing: Timing = Timing.NONE
    finality: Finality = Finality.NONE
    included: Units = 0
    highest: int | None = None
    transfers: tuple[Arrival, ...] = ()
    settled: bool = False
    final: bool = False
    expired: bool = False
    superseded: bool = False
    closed: Closing | None = None
    written_off: bool = False
    requotes: int = 0
    zero_confirmation: bool = False
    exposed: bool = False
    exposed_at: datetime | None = None
    reversed_at: datetime | None = None
    refunds: tuple[Refund, ...] = ()
    sweeps: tuple[PaymentSweep, ...] = ()
    requested_at: datetime
    expires_at: datetime
    changed_at: datetime

    @property
    def received(self) -> int:
        """Return the base units that stand and count, in a block or not, in time or not."""
        return sum(arrival.units for arrival in self.transfers if self.counts(arrival))

    @property
    def open(self) -> bool:
        """Return whether it may (still, or again) settle its order."""
        return self.written_off or not (self.expired or self.closed)

    @property
    def enough(self) -> int:
        """Return the base units that settle it: what is due less the tolerance, ≥ 1."""
        return self.due - self.tolerance

    def counts(self, arrival: Arrival) -> bool:
        """Return whether a transfer stands, in the asset that was asked for, and is no dust."""
        return arrival.live and arrival.asset is None and arrival.units >= self.dust


class ChainCursor(Frozen):
    """How far a chain was read: a pure fold of its facts, and one row of `chain_cursors`."""

    chain: str
    merchant_id: MerchantId
    height: int
    block_hash: str
    final_height: int
    agreed: int | None = None
    scanned_at: datetime


class TransferView(Frozen):
    """A transfer as the customer sees it."""

    txid: str
    position: int
    received: Money
    counts: bool = Field(description="Whether it is in the asset that was asked for, is no dust, and still stands")
    seen_at: datetime
    height: int | None = None
    block_hash: str | None = None


class PaymentView(Frozen):
    """A payment as its customer and its shop see it."""

    payment_id: PaymentId
    order_id: OrderId
    shop_id: ShopId
    chain: str
    asset: Asset
    address: str
    due: Money
    received: Money = Field(description="What has arrived and stands, confirmed or not")
    missing: Money = Field(description="What is due and has not arrived; it may be settled nevertheless, by tolerance")
    over: Money = Field(description="What has arrived beyond what is due: the customer's to have back")
    late: Money = Field(description="What of `received` came too late to settle the order: held for refund")
    link: str = Field(description="BIP-21 or EIP-681: what a wallet opens")
    quote: Quote = Field(description="Signed; `GET /v1/quotes/key` has the public key")
    confirmations: int = Field(description="As many does each transfer need")
    amount: Amount
    timing: Timing
    finality: Finality
    settled: bool
    final: bool
    expired: bool
    superseded: bool = Field(description="The customer chose another coin; whichever settles first pays the order")
    closed: Closing | None = Field(
        default=None, description="The order takes no money any more; what arrived is the customer's"
    )
    written_off: bool = Field(description="The order was handed over, and the chain took the payment back")
    exposed: bool = Field(description="It is settled at the shop's risk: in no block yet, or not deep enough")
    transfers: tuple[TransferView, ...]
    refunds: tuple[RefundView, ...] = ()
    requested_at: datetime
    expires_at: datetime
    changed_at: datetime
    version: int


class QuoteKey(Frozen):
    """A key that verifies quotes, as a JSON Web Key (RFC 8037)."""

    kid: str = Field(description="The key's thumbprint (RFC 7638): a quote's `key_id`")
    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    use: Literal["sig"] = "sig"
    x: str = Field(description="32 bytes in base64url")


class QuoteKeyView(Frozen):
    """The keys that verify quotes: Ed25519 over the quote's JSON without `signature`, keys sorted, no blanks."""

    algorithm: str = "Ed25519"
    public_key: str = Field(description="The key that signs now: 32 bytes in base64")
    key_id: str = Field(description="Its id")
    keys: tuple[QuoteKey, ...] = Field(description="Every key that verifies: the one that signs, and those before it")
