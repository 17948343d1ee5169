"""The double-entry ledger as a pure function of a payment's facts: what each fact moves between which accounts.

A payment's accounts are drawn from its state alone; the entry of a fact is the difference between the accounts after
and before it. So an entry can be computed at any time, by anybody, from the stream: it needs no order of delivery, and
a fact that takes something back moves it back. Source: docs/ledger.md; decision 0015.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import chain
from types import MappingProxyType

from shared.kernel.errors import Bug
from shared.kernel.facts import Fact
from shared.kernel.ids import EventId, MerchantId, PaymentId, ShopId
from shared.kernel.money import Asset, Money
from shared.payments import facts
from shared.payments.lifecycle import evolve
from shared.payments.model import Payment


class Book(StrEnum):
    """Each book balances by itself in every entry, and says one identity.

    claims: received + shortfall = settled + held + refunded. custody: addresses + fees + refunded = received.
    """

    CLAIMS = "claims"
    CUSTODY = "custody"


class Account(StrEnum):
    """Where coins, or claims to them, stand. What is held is the two `held.…` together."""

    RECEIVED = "received"
    WAITING = "held.waiting"
    """It counts towards a payment that may still settle."""
    REFUNDABLE = "held.refundable"
    """No order waits for it: too much, too late, another coin, an expired payment. Whether it is final is not said."""
    SETTLED = "settled"
    REFUNDED = "refunded"
    SHORTFALL = "shortfall"
    """Credited or given back, and the coins are gone."""
    ADDRESSES = "addresses"
    FEES = "fees"


@dataclass(frozen=True, slots=True)
class Line:
    """An account of one book in one asset."""

    book: Book
    asset: Asset
    account: Account


@dataclass(frozen=True, slots=True)
class Entry:
    """What one fact moved. `postings` in base units: debits above zero, credits below; never empty, no zeros.

    Per book and asset they sum to zero.
    """

    payment_id: PaymentId
    version: int
    event_id: EventId
    type: str
    merchant_id: MerchantId
    shop_id: ShopId
    at: datetime
    postings: Mapping[Line, int]


@dataclass(frozen=True, slots=True)
class Happened:
    """A fact of a payment at its place in the stream."""

    version: int
    event_id: EventId
    at: datetime
    fact: Fact


@dataclass(frozen=True, slots=True)
class Refund:
    """What was given back, and what the network took for carrying it, both in base units of the asset."""

    refunded: int = 0
    fees: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    """All that a payment's accounts are drawn from. `credited`: what its settlement gave the shop, in base units."""

    payment: Payment
    credited: int = 0
    refunds: Mapping[Asset, Refund] = field(default_factory=lambda: MappingProxyType({}))


def moved(position: Position | None, fact: Fact) -> Position:
    """Return the position after a fact of the payment.

    A settlement credits the shop with what is due, never with what is too much; that of a payment which expired before
    credits it with nothing, for its order stays expired and the money is the customer's. What is closed credits nothing
    either. Goods handed over for a payment that was taken back stay the shop's revenue, and its shortfall.
    """
    payment = evolve(position.payment if position else None, fact)
    if position is None:
        return Position(payment)
    match fact:
        case facts.PaymentSettled():
            credited = min(payment.due, fact.received.units) if payment.open else 0
            return replace(position, payment=payment, credited=credited)
        case facts.PaymentReversed():
            return replace(position, payment=payment, credited=payment.due if payment.written_off else 0)
        case facts.PaymentClosed():
            return replace(position, payment=payment, credited=0)
        case facts.PaymentWrittenOff():
            return replace(position, payment=payment, credited=fact.lost.units)
    return replace(position, payment=payment)


def refunded(position: Position, given: Money, *, fee: int) -> Position:
    """Return the position after coins were given back, at a network fee that the addresses bear.

    Raises Bug when nobody holds so much to be given back: whoever approves a refund has looked before.
    """
    line = Line(Book.CLAIMS, given.asset, Account.REFUNDABLE)
    refundable = -accounts(position).get(line, 0)
    if given.units > refundable:
        raise Bug(f"{position.payment.payment_id}: {given} to be refunded, {refundable} units are refundable")
    before = position.refunds.get(given.asset, Refund())
    after = Refund(before.refunded + given.units, before.fees + fee)
    return replace(position, refunds=MappingProxyType({**position.refunds, given.asset: after}))


def accounts(position: Position) -> dict[Line, int]:
    """Return the payment's balances in base units, debits above zero, credits below; no zeros."""
    payment = position.payment
    received: defaultdict[Asset, int] = defaultdict(int)
    for arrival in payment.transfers:
        if arrival.live and arrival.inclusion is not None:
            received[arrival.asset or payment.asset] += arrival.units
    balances: dict[Line, int] = {}
    for asset in sorted({payment.asset, *received, *position.refunds}):
        own = asset == payment.asset
        open_ = own and not payment.settled and payment.open
        back = position.refunds.get(asset, Refund())
        settled = position.credited if own else 0
        left = received[asset] - settled - back.refunded
        held = max(left, 0)
        waiting = min(held, payment.included) if open_ else 0
        claims = {
            Account.RECEIVED: received[asset],
            Account.SHORTFALL: max(-left, 0),
            Account.WAITING: -waiting,
            Account.REFUNDABLE: waiting - held,
            Account.SETTLED: -settled,
            Account.REFUNDED: -back.refunded,
        }
        custody = {
            Account.ADDRESSES: received[asset] - back.refunded - back.fees,
            Account.FEES: back.fees,
            Account.REFUNDED: back.refunded,
            Account.RECEIVED: -received[asset],
        }
        for book, drawn in ((Book.CLAIMS, claims), (Book.CUSTODY, custody)):
            balances |= {Line(book, asset, account): units for account, units in drawn.items() if units}
    return balances


def difference(before: Mapping[Line, int], after: Mapping[Line, int]) -> dict[Line, int]:
    """Return what must be posted so that the balances `before` become `after`."""
    lines = dict.fromkeys(chain(before, after))
    changes = {line: after.get(line, 0) - before.get(line, 0) for line in lines}
    return {line: units for line, units in changes.items() if units}


def entries(history: Iterable[Happened]) -> Iterator[Entry]:
    """Yield the entries of a payment's stream, oldest first; a fact that moves nothing has none."""
    position: Position | None = None
    before: Mapping[Line, int] = {}
    for one in history:
        position = moved(position, one.fact)
        after = accounts(position)
        postings = difference(before, after)
        before = after
        if postings:
            payment = position.payment
            yield Entry(
                payment_id=payment.payment_id,
                version=one.version,
                event_id=one.event_id,
                type=one.fact.type,
                merchant_id=payment.merchant_id,
                shop_id=payment.shop_id,
                at=one.at,
                postings=postings,
            )
