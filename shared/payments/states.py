"""`python -m shared.payments.states > docs/payment-states.md`: every state of a payment, found by trying.

Two transfers, each of half or of all that is due, are sighted, mined, lost and double-spent in every order, on time,
within the grace and after it; settling, finality and reversal are decided by the rules themselves. What the table says
of a state is what the rules did there.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Final

from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, OrderId, PaymentId, ShopId, UserId
from shared.kernel.money import Asset, Fiat, Money
from shared.payments import facts
from shared.payments.lifecycle import GRACE, HOLD, MINED_WITHIN, confirm, evolve, expire, who
from shared.payments.model import Amount, Arrival, Finality, Payment, Timing

Axes = tuple[Amount, Timing, Finality]

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_DUE: Final = 1000
_HEIGHT: Final = 5
"""Where every transfer is mined. Two confirmations settle it."""
_UNCONFIRMED, _CONFIRMED, _FINAL = (_HEIGHT, _HEIGHT - 1), (_HEIGHT + 1, _HEIGHT - 1), (_HEIGHT + 1, _HEIGHT)
"""How far the chain is read and final, as `confirm` takes it."""
_COSTS: Final = facts.LateCover(costs=_DUE, rate="1", feeds=(), at=_START)
"""The price has not changed, so late coins are worth what they were."""
_SEEN: Final = (timedelta(0), GRACE, GRACE + timedelta(seconds=1))
_MINED: Final = (MINED_WITHIN, MINED_WITHIN + timedelta(seconds=1))


@dataclass(frozen=True, slots=True)
class Row:
    """What the rules do with payments in one combination of the axes. Each field has every answer that was met."""

    settles: frozenset[bool]
    """Whether what has arrived settles it, once mined in time and confirmed, with no further transfer."""
    expires: frozenset[timedelta | None]
    """How long after expiry it is let go at the latest, None for never."""
    reverses: frozenset[bool]
    """Whether it is reversed when the chain takes everything back."""
    reverses_now: frozenset[bool]
    """Whether it is reversed as soon as the next block is decided about."""
    settled: frozenset[bool]


def rows() -> Mapping[Axes, Row]:
    """Return what was found for every combination that occurs."""
    found: dict[Axes, list[Payment]] = {}
    for payment in _reached():
        found.setdefault((payment.amount, payment.timing, payment.finality), []).append(payment)
    return {
        axes: Row(
            settles=frozenset(_settles(each) for each in payments),
            expires=frozenset(_expires(each) for each in payments),
            reverses=frozenset(_reverses(each) for each in payments),
            reverses_now=frozenset(_reversed(_decided(each)) for each in payments),
            settled=frozenset(each.settled for each in payments),
        )
        for axes, payments in found.items()
    }


def _reached() -> Iterator[Payment]:
    """Yield every distinguishable payment that the chain can lead to, breadth first."""
    first = evolve(None, _request())
    known, waiting = {_key(first)}, [first]
    while waiting:
        payment = waiting.pop(0)
        yield payment
        for told in _next(payment):
            after = _after(payment, *told)
            if _key(after) not in known:
                known.add(_key(after))
                waiting.append(after)


def _key(payment: Payment) -> tuple[object, ...]:
    """Return what tells payments apart here; which transfer came first does not."""
    transfers = sorted(str((each.units, each.seen_at, each.live, each.inclusion)) for each in payment.transfers)
    return payment.finality, payment.settled, payment.final, *transfers


def _next(payment: Payment) -> Iterator[tuple[Fact, ...]]:
    """Yield the facts of everything that can happen next."""
    if len(payment.transfers) < 2:
        for units, seen in product((_DUE // 2, _DUE), _SEEN):
            yield (_sighting(payment, f"t{len(payment.transfers)}", units, payment.expires_at + seen),)
    for arrival in payment.transfers:
        if not arrival.live:
            yield (_sighting(payment, arrival.txid, arrival.units, arrival.seen_at),)
        elif arrival.inclusion is None:
            yield from ((_mined(payment, arrival, late),) for late in _MINED)
            yield (_lost(payment, arrival),)
        elif not payment.final:
            yield (_lost(payment, arrival),)
    for height, final_height in (_UNCONFIRMED, _CONFIRMED, _FINAL):
        yield tuple(confirm(payment, height=height, final_height=final_height, now=_START, costs=_COSTS))


def _settles(payment: Payment) -> bool:
    if payment.settled:
        return False
    mined = [_mined(payment, each, _MINED[0]) for each in payment.transfers if each.live and not each.inclusion]
    whole = _after(payment, *mined)
    return _after(whole, *_decided(whole)).settled


def _expires(payment: Payment) -> timedelta | None:
    for after in (GRACE, HOLD):
        if expire(payment, proven=payment.expires_at + after, now=_START):
            return after
    return None


def _reverses(payment: Payment) -> bool:
    nothing = _after(payment, *(_lost(payment, each) for each in payment.transfers if each.live))
    return _reversed(_decided(nothing))


def _reversed(told: tuple[Fact, ...]) -> bool:
    return any(isinstance(fact, facts.PaymentReversed) for fact in told)


def _decided(payment: Payment) -> tuple[Fact, ...]:
    height, final_height = _CONFIRMED
    return tuple(confirm(payment, height=height, final_height=final_height, now=_START, costs=_COSTS))


def _after(payment: Payment, *told: Fact) -> Payment:
    for fact in told:
        payment = evolve(payment, fact)
    return payment


def _sighting(payment: Payment, txid: str, units: int, seen_at: datetime) -> Fact:
    return facts.PaymentSeen(**who(payment), transfer=_transfer(txid), units=units, seen_at=seen_at)


def _mined(payment: Payment, arrival: Arrival, after: timedelta) -> Fact:
    return facts.PaymentIncluded(
        **who(payment),
        transfer=_transfer(arrival.txid),
        units=arrival.units,
        height=_HEIGHT,
        block_hash="b",
        block_time=payment.expires_at + after,
    )


def _lost(payment: Payment, arrival: Arrival) -> Fact:
    block_hash = arrival.inclusion.block_hash if arrival.inclusion else None
    return facts.PaymentExcluded(**who(payment), transfer=_transfer(arrival.txid), block_hash=block_hash, reason="lost")


def _transfer(txid: str) -> facts.ChainTransfer:
    return facts.ChainTransfer(chain="bitcoin", txid=txid, position=0)


def _request() -> facts.PaymentRequested:
    payment_id = PaymentId.new()
    quote = facts.Quote(
        payment_id=payment_id,
        chain="bitcoin",
        asset=Asset.BTC,
        address="-",
        amount=_DUE,
        price=Fiat(currency="EUR", units=420),
        rate="1",
        feeds=(),
        locked_at=_START,
        expires_at=_START,
    )
    return facts.PaymentRequested(
        payment_id=payment_id,
        order_id=OrderId.new(),
        shop_id=ShopId.new(),
        merchant_id=MerchantId.new(),
        customer_id=UserId.new(),
        chain="bitcoin",
        asset=Asset.BTC,
        address="-",
        watch_key="-",
        derivation_index=0,
        due=Money(asset=Asset.BTC, units=_DUE),
        quote=quote,
        confirmations=_CONFIRMED[0] - _HEIGHT + 1,
        requested_at=_START,
        expires_at=_START,
    )


if __name__ == "__main__":
    from shared.payments.state_table import table

    sys.stdout.write(table(rows()))
