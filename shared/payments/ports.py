"""What payments need from outside: their own store, and what they read of orders, shops, prices and chains."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from shared.kernel.clock import Clock
from shared.kernel.decision import By, Guard, Stored
from shared.kernel.errors import Invalid
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, OrderId, PaymentId, ShopId, UserId
from shared.kernel.money import Asset, Fiat, Money
from shared.kernel.reply import Reply
from shared.kernel.store import Store
from shared.payments.addresses import AddressPool, TakenAddress
from shared.payments.chain import ReceiveAddress
from shared.payments.facts import FeedPrice, PaymentRequested
from shared.payments.model import Payment, PaymentView
from shared.payments.policy import AssetPolicy
from shared.shops.facts import PayoutAccount


class AssetNotOffered(Invalid):
    """The asset can't be paid with: not here, or not at this shop."""

    type = "asset-not-offered"
    title = "This asset is not accepted here"


@dataclass(frozen=True, slots=True)
class PayableOrder:
    """What a payment must know of its order and of the shop.

    `in_time`: `pay_by` is not over by the database's clock.
    """

    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    customer_id: UserId
    pending: bool
    in_time: bool
    total: Fiat
    pay_by: datetime
    version: int
    accepts: tuple[Asset, ...]
    payout: Mapping[str, PayoutAccount]
    confirmations: Mapping[Asset, int]
    spread_bp: Mapping[Asset, int] = field(default_factory=dict)
    """How far below the market the shop quotes, in 0.01 %."""
    zero_confirmation_up_to: int | None = None
    """The dearest order, in fiat minor units, that the shop takes before it is in a block; None where it takes none."""


@dataclass(frozen=True, slots=True)
class PayableChain:
    """A chain that can be paid on. `contracts` has the token contract of each asset, None for the chain's own coin."""

    name: str
    family: str
    """Chains of one family derive from one account key: `bitcoin`, `evm`."""
    contracts: Mapping[Asset, str | None]
    confirmations: int
    policies: Mapping[Asset, AssetPolicy]
    """By what payments in each of its assets are judged; a shop may only ask for more confirmations."""
    mempool: bool = False
    """Whether payments are sighted before they are in a block."""


@dataclass(frozen=True, slots=True)
class LockedQuote:
    """A price in coins, rounded up, with what each feed said."""

    amount: Money
    rate: str
    """Fiat per whole coin, a decimal: what the feeds say, less the spread."""
    feeds: tuple[FeedPrice, ...]
    locked_at: datetime
    spread_bp: int = 0
    left_out: tuple[FeedPrice, ...] = ()
    """What feeds said that were too old or too far from the others to count."""


class OrderStanding(NamedTuple):
    """How an order stands: its status, and the payment that confirmed it, if any."""

    status: str
    payment_id: PaymentId | None


OrderRule = Callable[[OrderStanding, Payment], Sequence[Fact]]


class ConfirmRule(Protocol):
    """What confirming decides about one payment."""

    def __call__(self, payment: Payment, *, height: int, final_height: int, rival: bool) -> Sequence[Fact]:
        """Return facts, given how far the chain is read and final, and whether another payment settled the order."""
        ...


class Quotes(Protocol):
    """Turns fiat into coins at the present rate."""

    async def lock(self, fiat: Fiat, asset: Asset, *, spread_bp: int = 0) -> LockedQuote:
        """Return the amount in base units, rounded up, at a rate so far below the market (in 0.01 %).

        Raises NoFreshPrice, AssetDepegged.
        """
        ...


class QuoteSigner(Protocol):
    """Signs what customers are told to pay."""

    @property
    def key_id(self) -> str:
        """Return by which name its key is found among all that verify."""
        ...

    @property
    def public_keys(self) -> Mapping[str, bytes]:
        """Return every Ed25519 public key that verifies quotes, by its id: the one that signs, and those before it."""
        ...

    def sign(self, message: bytes) -> str:
        """Return the signature in base64."""
        ...


class Orders(Protocol):
    """Reads orders with their shops, from the primary."""

    async def payable(self, order_id: OrderId) -> PayableOrder | None:
        """Return what a payment must know, or None when there is no such order."""
        ...


class AccountKeys(Protocol):
    """Derives from the sealed account keys of shops. Public keys: nothing here can spend."""

    def receive(self, shop_id: ShopId, chain: PayableChain, account: PayoutAccount, index: int) -> ReceiveAddress:
        """Return receive address `index` of the account on the chain."""
        ...


class PaymentStore(Store[Payment], Protocol):
    """The payments' own store."""

    async def active_of(self, order_id: OrderId) -> Stored[Payment] | None:
        """Return the order's payment that is not expired, or None."""
        ...

    async def must_be_new(self, by: By) -> None:
        """Raise AlreadyAnswered or KeyReused when the Idempotency-Key of `by` was used before."""
        ...

    async def watched(self, chain: str) -> bool:
        """Return whether the chain has a cursor: from its block on nothing is missed."""
        ...

    async def request(
        self,
        requested: PaymentRequested,
        *,
        taken: TakenAddress,
        guard: Guard,
        by: By,
        now: datetime,
        reply: Callable[[Stored[Payment]], Reply[PaymentView]],
    ) -> Stored[Payment] | None:
        """Append a new payment and watch its address, from now on shown, in the same commit.

        Returns None when the order has an active payment already, or moved on. Raises AlreadyAnswered, KeyReused,
        and Moved when the order is no longer as it was loaded or `pay_by` is over.
        """
        ...

    async def late(self, chain: str) -> Sequence[Payment]:
        """Return the payments that are whole but for late coins, and not settled."""
        ...

    async def confirm(self, chain: str, rule: "ConfirmRule", *, by: By, now: datetime) -> int:
        """Decide about every payment that the chain's present cursor can change; return how many did.

        Raises AlreadyTaken, Transient when two payments of one order would settle at once.
        """
        ...

    async def follow(self, order_id: OrderId, rule: "OrderRule", *, by: By, now: datetime) -> int:
        """Decide about every payment of an order, all of them and the order locked; return how many changed.

        `rule` takes the order's standing and a payment. Raises AlreadyTaken.
        """
        ...

    async def expose(
        self, payment_id: PaymentId, rule: Callable[[Payment, int], Sequence[Fact]], *, by: By, now: datetime
    ) -> bool:
        """Decide about one payment, locked; it is not settled beyond its shop's loss cap, or while nodes disagree.

        `rule` takes the payment and how far its chain was read. All settlements at risk of a shop are one after the
        other: the cap bounds what is open, and what was taken within an hour. Raises AlreadyTaken.
        """
        ...

    async def expire(self, rule: Callable[[Payment, datetime], Sequence[Fact]], *, by: By, now: datetime) -> int:
        """Decide about payments past their deadline on chains proven to be read beyond it; return how many did.

        `rule` takes the payment and the moment up to which chain and mempool were read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Payments:
    """Everything the operations of this service are given."""

    store: PaymentStore
    clock: Clock


@dataclass(frozen=True, slots=True)
class Confirming:
    """What confirming is given: late coins are measured by the present price."""

    store: PaymentStore
    quotes: Quotes
    clock: Clock


@dataclass(frozen=True, slots=True)
class Requesting:
    """What requesting a payment is given besides."""

    store: PaymentStore
    orders: Orders
    quotes: Quotes
    signer: QuoteSigner
    account_keys: AccountKeys
    pool: AddressPool
    chains: tuple[PayableChain, ...]
    clock: Clock
