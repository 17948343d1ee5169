"""What refunds need from outside: their payments, an address book of chains, the rate of now, and a turn at sending."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.kernel.clock import Clock
from shared.kernel.decision import By, Page, Stored
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, OrderId, PaymentId, RefundId, ShopId
from shared.kernel.money import Asset, Fiat
from shared.kernel.store import Store
from shared.payments.chain import ReceiveAddress
from shared.payments.facts import RefundMarket
from shared.payments.ledger import Position
from shared.payments.model import Payment
from shared.payments.refund_lines import LineValue
from shared.payments.refund_model import Refund, RefundState
from shared.payments.refund_policy import RefundPolicy


class RefundStore(Store[Payment], Protocol):
    """Payments, as refunds look at them."""

    async def position(self, payment_id: PaymentId) -> Position | None:
        """Return the fold of all facts of the payment so far: never an older one than was loaded before."""
        ...

    async def payment_of(self, refund_id: RefundId) -> PaymentId | None:
        """Return the payment whose refund it is, or None."""
        ...

    async def given_since(self, shop_id: ShopId, since: datetime) -> int:
        """Return the minor units that the shop's people gave back since then and nobody else agreed to."""
        ...

    async def lines(self, order_id: OrderId) -> Sequence[LineValue]:
        """Return what was paid for each line of the order."""
        ...

    async def watched(self, chain: str, key: str) -> bool:
        """Return whether the address is one that payments were asked to."""
        ...

    async def of_shop(
        self, shop_id: ShopId, merchant_id: MerchantId, *, state: RefundState | None, before: str | None, limit: int
    ) -> Page[tuple[Payment, Refund]] | None:
        """Return the shop's refunds, newest first, after the cursor; None when the merchant has no such shop."""
        ...


class Destinations(Protocol):
    """What can be paid to, by chain. No I/O."""

    def parse(self, chain: str, text: str) -> ReceiveAddress:
        """Return the address somebody typed. Raises Invalid: mistyped, of another chain, or a contract of ours."""
        ...


class Market(Protocol):
    """The rate of now."""

    async def rate(self, fiat: Fiat, asset: Asset) -> RefundMarket:
        """Return fiat (of the currency of `fiat`) per whole coin. Raises NoFreshPrice, AssetDepegged."""
        ...


@dataclass(frozen=True, slots=True)
class Refunds:
    """Everything that agreeing to refunds and listing them is given."""

    store: RefundStore
    clock: Clock


@dataclass(frozen=True, slots=True)
class RequestingRefunds:
    """What asking for a refund is given besides; none of it can spend."""

    store: RefundStore
    destinations: Destinations
    market: Market
    policy: RefundPolicy
    clock: Clock


class SlotTaken(Exception):
    """Another refund uses up the same coin or nonce: nothing was stored, and what was signed is to be forgotten."""


@dataclass(frozen=True, slots=True)
class SendTurn:
    """One pass over the refunds of a chain, under a lease of its own. The chain is read up to `height`, -1 for not."""

    chain: str
    owner: str
    generation: int
    epoch: int
    height: int
    final_height: int


class Sendings(Protocol):
    """Whose turn it is to send on a chain, and what is to be sent. Every write under another epoch raises Fenced."""

    async def take(self, chain: str, owner: str) -> SendTurn | None:
        """Return a turn, or None while another sender has the lease."""
        ...

    async def release(self, turn: SendTurn) -> None:
        """Let the next sender in at once."""
        ...

    async def open(self, turn: SendTurn, *, after: str, limit: int) -> Sequence[Stored[Payment]]:
        """Return payments of the chain that have open refunds, in the order of their ids, from after that one on."""
        ...

    async def position(self, payment_id: PaymentId) -> Position | None:
        """Return the fold of all facts of the payment so far: never an older one than was loaded before."""
        ...

    async def taken(self, turn: SendTurn) -> frozenset[str]:
        """Return the slots of the chain that belong to a refund and may still be in nobody's final block."""
        ...

    async def record(
        self, turn: SendTurn, found: Stored[Payment], facts: Sequence[Fact], *, by: By, now: datetime
    ) -> Stored[Payment] | None:
        """Append facts of one refund, and take or free its slots, in one commit under the turn's epoch.

        Returns None when the payment has moved on: nothing was stored. Raises Fenced, SlotTaken, Transient.
        """
        ...


class Alarms(Protocol):
    """Who is told when a refund does not go its way."""

    def raised(self, chain: str, refund_id: RefundId, what: str, detail: str) -> None:
        """Tell that somebody should look at this refund."""
        ...

    def waiting(self, chain: str, by_reason: Mapping[str, int]) -> None:
        """Tell how many refunds of the chain are not confirmed, by what they wait for."""
        ...


def slots_of(refund: Refund) -> frozenset[str]:
    """Return what the refund's present attempt uses up, whichever of its transactions confirms."""
    return frozenset(slot for signed in refund.signed for slot in signed.slots)
