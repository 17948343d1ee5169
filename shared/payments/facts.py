"""Published facts of payments and of the chains they arrive on."""

from datetime import datetime
from typing import ClassVar

from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, OrderId, PaymentId, ShopId, UserId
from shared.kernel.money import Asset, Fiat, Frozen, Money, Units


class FeedPrice(Frozen):
    """What one feed said, and when: part of the proof of a quote. `price` is fiat per whole coin."""

    feed: str
    price: str
    at: datetime


class Quote(Frozen):
    """A locked rate with its proof, signed over everything a customer is told to pay.

    `signature` is Ed25519 (base64) over the canonical JSON of the quote without it.
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
    signature: str = ""


class ChainTransfer(Frozen):
    """A transfer by its identity: (chain, txid, position); see `shared/payments/chain.py`."""

    chain: str
    txid: str
    position: int


class Terms(Frozen):
    """By what a payment is judged, fixed when it was requested: see `shared/payments/policy.py`.

    `tolerance` may be missing of what is due; a transfer below `dust` counts for nothing; `final_depth` is as many
    confirmations as it needs to be final, besides the chain's own rule.
    """

    tolerance: Units = 0
    dust: Units = 0
    final_depth: int = 0


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
    """Enough has arrived, confirmed by policy. Reversible until final."""

    type: ClassVar = "payment.settled.v1"
    received: Money
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


class PaymentExpired(PaymentFact):
    """Nothing that counts (or, a day later, too little) arrived, proven by cursor and mempool."""

    type: ClassVar = "payment.expired.v1"
    at: datetime


class BlockScanned(Fact):
    """A watcher's cursor reached this block; everything up to `final_height` is final."""

    type: ClassVar = "payment.block_scanned.v1"
    chain: str
    height: int
    block_hash: str
    final_height: int
    scanned_at: datetime
