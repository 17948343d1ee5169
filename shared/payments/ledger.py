"""The double-entry ledger as a pure function of a payment's facts: what each fact moves between which accounts.

A payment's accounts are drawn from its state alone; the entry of a fact is the difference between the accounts after
and before it. So an entry can be computed at any time, by anybody, from the stream: it needs no order of delivery, and
a fact that takes something back moves it back. Source: docs/ledger.md; decision 0015.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import chain

from shared.kernel.facts import Fact
from shared.kernel.ids import EventId, MerchantId, PaymentId, ShopId
from shared.kernel.money import Asset, Money
from shared.payments import facts, sweep_fold
from shared.payments.held import claims
from shared.payments.lifecycle import evolve
from shared.payments.model import Payment
from shared.payments.refund_model import AGREED, UNDER_WAY, Refund, RefundState


class Book(StrEnum):
    """Each book balances by itself in every entry, and says one identity.

    claims: received + shortfall = settled + held + refunded.
    custody: addresses + hot + transit + treasury + fees + refunded = received + funded.
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
    HOT = "hot"
    """What the wallet that refunds are paid from holds of the shop's; below zero it has advanced so much."""
    TRANSIT = "transit"
    """It has left one place, and is not final at another."""
    TREASURY = "treasury"
    FUNDED = "funded"
    """What was put in from outside, and came as no payment."""
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
class Position:
    """All that a payment's accounts are drawn from. `credited`: what its settlement gave the shop, in base units."""

    payment: Payment
    credited: int = 0


def moved(position: Position | None, fact: Fact) -> Position:
    """Return the position after a fact of the payment.

    A settlement credits the shop with what is due, or with what late coins had to be where the price fell, never with
    what is too much; that of a payment which expired before credits it with nothing, for its order stays expired and
    the money is the customer's. What is closed credits nothing either. Goods handed over for a payment that was taken
    back stay the shop's revenue, and its shortfall.
    """
    payment = evolve(position.payment if position else None, fact)
    if position is None:
        return Position(payment)
    match fact:
        case facts.PaymentSettled():
            due = max(payment.due, (fact.late.takes if fact.late else None) or 0)
            credited = min(due, fact.received.units) if payment.open else 0
            return replace(position, payment=payment, credited=credited)
        case facts.PaymentReversed():
            return replace(position, payment=payment, credited=payment.due if payment.written_off else 0)
        case facts.PaymentClosed():
            return replace(position, payment=payment, credited=0)
        case facts.PaymentWrittenOff():
            return replace(position, payment=payment, credited=fact.lost.units)
    return replace(position, payment=payment)


def accounts(position: Position) -> dict[Line, int]:
    """Return the payment's balances in base units, debits above zero, credits below; no zeros."""
    payment = position.payment
    confirmed = [refund for refund in payment.refunds if refund.state is RefundState.CONFIRMED]
    agreed = [refund for refund in payment.refunds if refund.state in AGREED]
    wallet, swept = _wallet(payment.refunds), sweep_fold.lies(payment.sweeps, _gas(payment))
    balances: dict[Line, int] = {}
    arrived = {arrival.asset or payment.asset for arrival in payment.transfers}
    for asset in sorted({payment.asset, *wallet, *swept, *arrived}):
        own = claims(payment, position.credited, asset, gone=confirmed, revoked=agreed)
        given = {
            Account.RECEIVED: own.received,
            Account.SHORTFALL: own.shortfall,
            Account.WAITING: -own.waiting,
            Account.REFUNDABLE: -own.refundable,
            Account.SETTLED: -own.settled,
            Account.REFUNDED: -own.refunded,
        }
        lies = Counter(
            {Account.ADDRESSES: own.received, Account.REFUNDED: own.refunded, Account.RECEIVED: -own.received}
        )
        lies.update(wallet.get(asset, {}))
        lies.update({Account(name): units for name, units in swept.get(asset, {}).items()})
        for book, drawn in ((Book.CLAIMS, given), (Book.CUSTODY, lies)):
            balances |= {Line(book, asset, account): units for account, units in drawn.items() if units}
    return balances


def _gas(payment: Payment) -> list[Money]:
    """Return what was brought to the address so that a sweep could pay for gas."""
    return [
        Money(asset=arrival.asset or payment.asset, units=arrival.units)
        for arrival in payment.transfers
        if arrival.gas and arrival.live and arrival.inclusion is not None
    ]


def _wallet(refunds: Iterable[Refund]) -> dict[Asset, Counter[Account]]:
    """Return what refunds took out of the hot wallet and where it went, but for what arrived: that is `refunded`.

    The fee may be in another asset than the coins. While nothing is final it is the most that the transaction may cost.
    """
    wallet: dict[Asset, Counter[Account]] = {}

    def paid(money: Money, account: Account | None) -> None:
        lines = wallet.setdefault(money.asset, Counter())
        lines[Account.HOT] -= money.units
        if account is not None:
            lines[account] += money.units

    for refund in refunds:
        if refund.lost is not None:
            paid(refund.lost, Account.FEES)
        if refund.state in UNDER_WAY:
            paid(refund.amount, Account.TRANSIT)
            paid(refund.signed[-1].fee, Account.TRANSIT)
        elif refund.state is RefundState.CONFIRMED and refund.fee is not None:
            paid(refund.amount, None)
            paid(refund.fee, Account.FEES)
    return wallet


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
