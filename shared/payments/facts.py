"""Published facts of payments and of the chains they arrive on."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, OrderId, PaymentId, RefundId, ShopId, UserId
from shared.kernel.money import Asset, Fiat, Frozen, Money, Units
from shared.payments.refund_values import RefundDelay as RefundDelay
from shared.payments.refund_values import RefundLine as RefundLine
from shared.payments.refund_values import RefundRate as RefundRate
from shared.payments.sweep_facts import SweepMoved as SweepMoved
from shared.payments.sweep_facts import SweepPlanned as SweepPlanned
from shared.payments.sweep_values import PaymentSweep


class FeedPrice(Frozen):
    """What one feed said, and when: part of the proof of a quote. `price` is fiat per whole coin."""

    feed: str
    price: str
    at: datetime


class Quote(Frozen):
    """A locked rate with its proof, signed over everything a customer is told to pay.

    `rate` is the median of what the `feeds` said (`left_out`: those too old or too far off to count), less the shop's
    `spread_bp` hundredths of a percent of it where there are any. `signature` is Ed25519 (base64), by the key `key_id`,
    over the canonical JSON of the quote without it.
    """

    payment_id: PaymentId
    chain: str
    asset: Asset
    contract: str | None = None
    address: str
    amount: Units
    price: Fiat
    rate: str
    feeds: tuple[FeedPrice, ...]
    locked_at: datetime
    expires_at: datetime
    left_out: tuple[FeedPrice, ...] | None = None
    spread_bp: int | None = None
    key_id: str | None = None
    signature: str = ""


class Closing(StrEnum):
    """Why a payment was closed."""

    ORDER_CANCELLED = "order_cancelled"
    PAID_OTHERWISE = "paid_otherwise"


class LateCover(Frozen):
    """What a late payment was measured by: `costs` base units buy the whole order at `rate`, `takes` it took in all."""

    costs: Units
    rate: str
    feeds: tuple[FeedPrice, ...]
    at: datetime
    takes: Units | None = None


class ChainTransfer(Frozen):
    """A transfer by its identity: (chain, txid, position); see `shared/payments/chain.py`."""

    chain: str
    txid: str
    position: int


class Terms(Frozen):
    """By what a payment is judged, fixed when it was requested: see `shared/payments/policy.py`.

    `tolerance` may be missing of what is due; a transfer below `dust` counts for nothing; `final_depth` is as many
    confirmations as it needs to be final, besides the chain's own rule. With `zero_confirmation` it may settle before
    it is in a block, as far as the shop's loss cap goes.
    """

    tolerance: Units = 0
    dust: Units = 0
    final_depth: int = 0
    zero_confirmation: bool = False


class PaymentFact(Fact):
    """What every fact of a payment says."""

    type: ClassVar = "payment.any.v1"
    payment_id: PaymentId
    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    customer_id: UserId


class PaymentRequested(PaymentFact):
    """An address was allocated and a quote locked."""

    type: ClassVar = "payment.requested.v1"
    chain: str
    asset: Asset
    address: str
    watch_key: str
    derivation_index: int
    due: Money
    quote: Quote
    confirmations: int
    terms: Terms | None = None
    requested_at: datetime
    expires_at: datetime


class PaymentSeen(PaymentFact):
    """A transfer to the address was sighted, in the mempool or straight in a block.

    `seen_at` decides whether it was in time; `asset` is named where it is not the one that was asked for; `at` is
    when the watcher recorded it (here and in the next two).
    """

    type: ClassVar = "payment.seen.v1"
    transfer: ChainTransfer
    units: Units
    asset: Asset | None = None
    seen_at: datetime
    at: datetime | None = None


class PaymentIncluded(PaymentFact):
    """A transfer is in a block of the best chain."""

    type: ClassVar = "payment.included.v1"
    transfer: ChainTransfer
    units: Units
    asset: Asset | None = None
    height: int
    block_hash: str
    block_time: datetime
    at: datetime | None = None


class PaymentExcluded(PaymentFact):
    """A transfer is no longer in the best chain: its block was orphaned, or another transaction spent its coins."""

    type: ClassVar = "payment.excluded.v1"
    transfer: ChainTransfer
    block_hash: str | None = None
    reason: str
    at: datetime | None = None


class PaymentSettled(PaymentFact):
    """Enough has arrived, confirmed by policy. Reversible until final.

    `late` is named where late coins were needed; `exposure` where it is in no block yet: what the shop may lose.
    """

    type: ClassVar = "payment.settled.v1"
    received: Money
    height: int
    at: datetime
    late: LateCover | None = None
    exposure: Fiat | None = None


class PaymentConfirmed(PaymentFact):
    """What was settled before it was in a block has its confirmations now: the shop's loss cap is freed of it."""

    type: ClassVar = "payment.confirmed.v1"
    height: int
    at: datetime


class PaymentFinal(PaymentFact):
    """The settlement can no longer be reversed by the chain's own rules."""

    type: ClassVar = "payment.final.v1"
    at: datetime


class PaymentReversed(PaymentFact):
    """A settled payment lost its confirmations: the order follows."""

    type: ClassVar = "payment.reversed.v1"
    reason: str
    at: datetime


class PaymentRequoted(PaymentFact):
    """Time was up with something paid: what had arrived is counted, the rest has a fresh quote.

    `due` is both together; `quote.amount`, for `quote.price`, is the rest.
    """

    type: ClassVar = "payment.requoted.v1"
    due: Money
    quote: Quote
    terms: Terms
    expires_at: datetime
    at: datetime


class PaymentSuperseded(PaymentFact):
    """Its customer chose another coin before anything was seen. Is it paid yet, the first one to settle wins."""

    type: ClassVar = "payment.superseded.v1"
    asset: Asset
    chain: str
    at: datetime


class PaymentClosed(PaymentFact):
    """Its order takes no money any more: called off, or settled by another payment. What stands is the customer's."""

    type: ClassVar = "payment.closed.v1"
    reason: Closing
    at: datetime


class PaymentWrittenOff(PaymentFact):
    """The order was handed over and the chain took the payment back: `lost` is the shop's, until it settles again."""

    type: ClassVar = "payment.written_off.v1"
    lost: Money
    at: datetime


class PaymentExpired(PaymentFact):
    """Nothing that counts (or, a day later, too little) arrived, proven by cursor and mempool."""

    type: ClassVar = "payment.expired.v1"
    at: datetime


class BlockScanned(Fact):
    """A watcher's cursor reached this block; everything up to `final_height` is final.

    Confirmations count from `agreed`, where two nodes are asked: up to there both say the same.
    """

    type: ClassVar = "payment.block_scanned.v1"
    chain: str
    height: int
    block_hash: str
    final_height: int
    agreed: int | None = None
    scanned_at: datetime


class RefundMarket(Frozen):
    """The rate that a refund at the value of now was counted by: fiat per whole coin, with each feed's word."""

    rate: str
    feeds: tuple[FeedPrice, ...]
    at: datetime


class RefundFact(PaymentFact):
    """What every fact of a refund says."""

    type: ClassVar = "payment.refund.v1"
    refund_id: RefundId
    at: datetime


class RefundRequested(RefundFact):
    """Coins are to be given back, and reserved. `of_settled` base units of them are taken from the shop's revenue.

    `to_key` is the destination as the chain has it; `worth` what the coins are worth at the rate of the payment's
    quote; it is `approvals` different people who must approve.
    """

    type: ClassVar = "payment.refund_requested.v1"
    amount: Money
    of_settled: Units = 0
    to: str
    to_key: str
    rate: RefundRate = RefundRate.COINS
    worth: Fiat | None = None
    market: RefundMarket | None = None
    requested_by: str
    by_customer: bool
    approvals: int
    reason: str | None = None
    lines: tuple[RefundLine, ...] = ()
    """What it is for, where it was asked for by lines of the order."""


class RefundApproved(RefundFact):
    """Somebody of the merchant agrees, or the policy does: then `approved_by` is `policy`."""

    type: ClassVar = "payment.refund_approved.v1"
    approved_by: str


class RefundDeclined(RefundFact):
    """It is not given; nothing was signed, and its coins are free again."""

    type: ClassVar = "payment.refund_declined.v1"
    declined_by: str
    reason: str | None = None


class RefundLapsed(RefundFact):
    """Its coins were gone from the chain for a day, and nothing was signed: it is over, and reserves them no more."""

    type: ClassVar = "payment.refund_lapsed.v1"


class RefundDelayed(RefundFact):
    """It is approved and can't be sent now."""

    type: ClassVar = "payment.refund_delayed.v1"
    reason: RefundDelay


class RefundSigned(RefundFact):
    """A transaction that pays it exists: `raw` may be broadcast from now on, until another that shares a slot is final.

    The second and later ones of a refund are dearer copies of the first. `fee` is the most it can cost.
    """

    type: ClassVar = "payment.refund_signed.v1"
    txid: str
    raw: str
    slots: tuple[str, ...]
    fee: Money


class RefundBroadcast(RefundFact):
    """The network has it."""

    type: ClassVar = "payment.refund_broadcast.v1"
    txid: str


class RefundMined(RefundFact):
    """It is in a block that a reorganisation can still take back."""

    type: ClassVar = "payment.refund_mined.v1"
    txid: str
    height: int
    block_hash: str


class RefundReverted(RefundFact):
    """A reorganisation took it back before it was final; the same bytes are sent again."""

    type: ClassVar = "payment.refund_reverted.v1"
    txid: str
    block_hash: str


class RefundConfirmed(RefundFact):
    """It is final. `moved` is what reached the receiver, where the chain says so."""

    type: ClassVar = "payment.refund_confirmed.v1"
    txid: str
    fee: Money
    height: int
    moved: Units | None = None


class RefundFailed(RefundFact):
    """It is in a final block and moved nothing: its fee is lost, and it is to be sent anew."""

    type: ClassVar = "payment.refund_failed.v1"
    txid: str
    fee: Money
    height: int


class PaymentSwept(PaymentFact):
    """Coins of the payment came further in a sweep to the shop's treasury."""

    type: ClassVar = "payment.swept.v1"
    sweep: PaymentSweep
    at: datetime
