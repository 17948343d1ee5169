"""The state machine of a payment: three axes (amount × timing × finality) folded from what the chain was seen to do.

Any combination is legal, and there is always a way back until a payment is final. A rule takes the state and what is
known and returns facts; nothing here knows the time or a node.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from shared.kernel.decision import By
from shared.kernel.errors import Bug, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId
from shared.kernel.money import Asset, Money
from shared.payments import facts, sweep_fold
from shared.payments.arrivals import ARRIVING, Arriving, arrive, known_of
from shared.payments.model import Amount, Arrival, ChainCursor, Finality, Inclusion, Payment, Timing
from shared.payments.refund_fold import fold
from shared.payments.refund_model import SENT

GRACE: Final = timedelta(minutes=10)
"""As long after expiry a sighting still settles the order, whose stock is held so long; then it is held for refund."""
MINED_WITHIN: Final = timedelta(minutes=60)
"""As long after expiry a transfer may be mined: a low fee is no free option on the rate."""
HOLD: Final = timedelta(hours=24)
"""As long after expiry something that was seen, but is not enough or not confirmed, holds order and stock."""
PLATFORM: Final = MerchantId("mer_" + 32 * "0")
"""Whom facts about a chain belong to: no merchant, the platform."""


def visible(payment: Payment | None, by: By) -> Payment:
    """Return the payment if the caller is its customer or works for its merchant. Raises NotFound otherwise."""
    if payment is None or not (by.actor == payment.customer_id or by.staff_of(payment.merchant_id, payment.shop_id)):
        raise NotFound("There is no such payment.")
    return payment


def confirm(
    payment: Payment,
    *,
    height: int,
    final_height: int,
    now: datetime,
    rival: bool = False,
    costs: facts.LateCover | None = None,
) -> Sequence[Fact]:
    """Return settled, closed, final or reversed, as the chain read up to `height` has it; nothing when nothing changes.

    `rival`: another payment of the order stands settled, so this one is the customer's. `costs`: what the order costs
    now, by which late coins are measured; without it they wait.
    """
    deepest = height - payment.confirmations + 1
    confirmed = sum(arrival.units for arrival in _counted(payment) if _inclusion(arrival).height <= deepest)
    settled = payment.settled
    if payment.written_off:
        confirmed = min(confirmed, _kept(payment, deepest))
    decided: list[Fact] = []
    if settled and not payment.final and confirmed < payment.enough:
        if payment.exposed and promised(payment) >= payment.enough:
            return ()
        reason = "the transfers that settled it have lost their confirmations"
        return (facts.PaymentReversed(**who(payment), reason=reason, at=now),)
    if settled and payment.exposed:
        decided.append(facts.PaymentConfirmed(**who(payment), height=height, at=now))
    if not settled and payment.open and confirmed >= payment.enough:
        if rival:
            return (facts.PaymentClosed(**who(payment), reason=facts.Closing.PAID_OTHERWISE, at=now),)
        late = _late(payment, deepest)
        cover = _cover(payment, late, deepest, costs) if late else None
        if late and cover is None:
            return ()
        received = Money(asset=payment.asset, units=confirmed)
        decided.append(facts.PaymentSettled(**who(payment), received=received, height=height, at=now, late=cover))
        settled = True
    # Large amounts are final later than the chain's own rule has it, never sooner.
    final_height = min(final_height, height - payment.final_depth + 1)
    if settled and not payment.final and _final_units(payment, final_height) >= payment.enough:
        decided.append(facts.PaymentFinal(**who(payment), at=now))
    return decided


def accept(payment: Payment, *, height: int, now: datetime) -> Sequence[Fact]:
    """Return the fact of settling at the shop's risk what was only sighted; none unless its terms allow it.

    Whether the shop's loss cap bears it is not said here. `height` is how far the chain was read. One that was quoted
    anew waits for its block: its quote is for the rest alone, and all of it would be at risk.
    """
    if not payment.zero_confirmation or payment.settled or not payment.open or payment.superseded or payment.requotes:
        return ()
    if payment.finality is Finality.REVERSED or promised(payment) < payment.enough:
        return ()
    received = Money(asset=payment.asset, units=promised(payment))
    exposure = payment.quote.price
    return (facts.PaymentSettled(**who(payment), received=received, height=height, at=now, exposure=exposure),)


def promised(payment: Payment) -> int:
    """Return the base units that stand and came in time, in a block or not."""
    return sum(arrival.units for arrival in payment.transfers if payment.counts(arrival) and in_time(payment, arrival))


def _late(payment: Payment, deepest: int) -> int:
    """Return the units that came late, of those included up to `deepest`; 0 where it takes none of them to settle."""
    mined = [arrival for arrival in _counted(payment) if _inclusion(arrival).height <= deepest]
    late = sum(arrival.units for arrival in mined if not in_time(payment, arrival))
    on_time = sum(arrival.units for arrival in mined) - late
    return 0 if payment.written_off or on_time >= payment.enough else late


def _cover(payment: Payment, late: int, deepest: int, costs: facts.LateCover | None) -> facts.LateCover | None:
    """Return the proof that late units buy, at the present rate, what was not paid for on time; None where they don't.

    It says what the shop takes: where the price fell that is more than was due, and what is over is so much less.
    """
    quoted = payment.quote.amount
    if costs is None or not quoted:
        return None
    mined = [arrival for arrival in _counted(payment) if _inclusion(arrival).height <= deepest]
    on_time = sum(arrival.units for arrival in mined if in_time(payment, arrival))
    needed = -(-costs.costs * (payment.due - on_time) // quoted)
    if late < needed - payment.tolerance:
        return None
    return costs.model_copy(update={"takes": on_time + needed})


def _kept(payment: Payment, deepest: int) -> int:
    """Return the units included up to `deepest` that were not given back: what came late may have been, before."""
    mined = sum(
        arrival.units
        for arrival in payment.transfers
        if arrival.live and arrival.asset is None and arrival.inclusion and arrival.inclusion.height <= deepest
    )
    own = [refund for refund in payment.refunds if refund.amount.asset == payment.asset]
    return mined - sum(r.amount.units - r.of_settled for r in own if r.state in SENT)


def expire(payment: Payment, *, proven: datetime, now: datetime) -> Sequence[Fact]:
    """Return expired for a payment that is over, given that chain and mempool were read up to `proven`.

    With nothing seen in time it is over when the grace is; with something seen, a day after expiry; when it was
    settled and taken back, a day after that. Dust is nothing. One that is owed for goods handed over is never over,
    and one that stands paid in time in blocks only waits for `confirm`. What was settled before its block and is in
    none by when it had to be is reversed here: no block will tell.
    """
    if payment.settled and payment.exposed:
        if proven < payment.expires_at + MINED_WITHIN or payment.included >= payment.enough:
            return ()
        return (facts.PaymentReversed(**who(payment), reason="it was in no block in time", at=now),)
    promising = any(payment.counts(a) and in_time(payment, a, GRACE) for a in payment.transfers)
    over = payment.expires_at + (HOLD if promising else GRACE)
    if payment.finality is Finality.REVERSED:
        over = max(over, (payment.reversed_at or payment.changed_at) + HOLD)
    if payment.settled or payment.expired or payment.closed or payment.written_off or proven < over:
        return ()
    if sum(arrival.units for arrival in _counted(payment) if in_time(payment, arrival)) >= payment.enough:
        return ()
    return (facts.PaymentExpired(**who(payment), at=now),)


def supersede(payment: Payment, *, asset: Asset, chain: str, now: datetime) -> Sequence[Fact]:
    """Return the fact of the customer choosing another coin; none when something was seen of it, or it is over."""
    if payment.transfers or payment.superseded or not payment.open:
        return ()
    return (facts.PaymentSuperseded(**who(payment), asset=asset, chain=chain, at=now),)


def close(payment: Payment, *, now: datetime) -> Sequence[Fact]:
    """Return the fact that the order was called off; also of a settled payment, whose coins are the customer's then."""
    if payment.closed or (payment.expired and not payment.settled):
        return ()
    return (facts.PaymentClosed(**who(payment), reason=facts.Closing.ORDER_CANCELLED, at=now),)


def write_off(payment: Payment, *, now: datetime) -> Sequence[Fact]:
    """Return the fact of the loss, given that the order was handed over on this payment; none while it is settled."""
    if payment.settled or payment.written_off or payment.finality is not Finality.REVERSED:
        return ()
    lost = Money(asset=payment.asset, units=payment.due)
    return (facts.PaymentWrittenOff(**who(payment), lost=lost, at=now),)


def evolve(payment: Payment | None, fact: Fact) -> Payment:
    """Return the state after `fact`. Total over the facts of a payment; anything else is a Bug."""
    if isinstance(fact, facts.PaymentRequested):
        return _requested(fact)
    if payment is None or not isinstance(fact, facts.PaymentFact):
        raise Bug(f"{fact.type} can't happen to {'no payment' if payment is None else payment.payment_id}")
    match fact:
        case facts.PaymentSeen() | facts.PaymentIncluded() | facts.PaymentExcluded():
            return _weighed(payment.model_copy(update=_arrived(payment, (fact,))))
        case facts.PaymentSettled():
            changes: dict[str, object] = {"settled": True, "finality": Finality.CONFIRMED, "exposed": False}
            if fact.exposure:
                changes = {"settled": True, "exposed": True, "exposed_at": fact.at}
        case facts.PaymentConfirmed():
            changes = {"exposed": False, "finality": Finality.CONFIRMED}
        case facts.PaymentFinal():
            changes = {"final": True, "finality": Finality.FINAL}
        case facts.PaymentReversed():
            changes = {"settled": False, "finality": Finality.REVERSED, "reversed_at": fact.at}
        case facts.PaymentExpired():
            changes = {"expired": True, "exposed": False}
        case facts.PaymentRequoted():
            return _weighed(payment.model_copy(update=_requoted(payment, fact)))
        case facts.PaymentSuperseded():
            changes = {"superseded": True}
        case facts.PaymentClosed():
            changes = {"closed": fact.reason, "exposed": False}
        case facts.PaymentWrittenOff():
            return _weighed(payment.model_copy(update={"written_off": True, "exposed": False, "changed_at": fact.at}))
        case facts.RefundFact():
            changes = {"refunds": fold(payment.refunds, fact)}
        case facts.PaymentSwept():
            changes = {"sweeps": sweep_fold.fold(payment.sweeps, fact)}
        case _:
            raise Bug(f"a payment does not know {fact.type}")
    return payment.model_copy(update={**changes, "changed_at": fact.at})


def evolve_all(payment: Payment | None, told: Sequence[Fact]) -> Payment | None:
    """Return the state after several facts, as `evolve` one by one; in a time that does not grow with their square."""
    for arriving, run in groupby(told, lambda fact: isinstance(fact, ARRIVING)):
        if arriving and payment is not None:
            seen = (fact for fact in run if isinstance(fact, ARRIVING))
            payment = _weighed(payment.model_copy(update=_arrived(payment, seen)))
        else:
            for fact in run:
                payment = evolve(payment, fact)
    return payment


def evolve_cursor(cursor: ChainCursor | None, fact: Fact) -> ChainCursor:
    """Return how far a chain was read after `fact`. Anything but a scanned block is a Bug."""
    if not isinstance(fact, facts.BlockScanned):
        raise Bug(f"a chain does not know {fact.type}")
    return ChainCursor(
        chain=fact.chain,
        merchant_id=PLATFORM,
        height=fact.height,
        block_hash=fact.block_hash,
        final_height=fact.final_height,
        agreed=fact.agreed,
        scanned_at=fact.scanned_at,
    )


def _requested(fact: facts.PaymentRequested) -> Payment:
    terms = fact.terms or facts.Terms()
    return Payment(
        payment_id=fact.payment_id,
        order_id=fact.order_id,
        shop_id=fact.shop_id,
        merchant_id=fact.merchant_id,
        customer_id=fact.customer_id,
        chain=fact.chain,
        asset=fact.asset,
        address=fact.address,
        watch_key=fact.watch_key,
        derivation_index=fact.derivation_index,
        due=fact.due.units,
        confirmations=fact.confirmations,
        tolerance=terms.tolerance,
        dust=terms.dust,
        final_depth=terms.final_depth,
        zero_confirmation=terms.zero_confirmation,
        quote=fact.quote,
        requested_at=fact.requested_at,
        expires_at=fact.expires_at,
        changed_at=fact.requested_at,
    )


def _requoted(payment: Payment, fact: facts.PaymentRequoted) -> dict[str, object]:
    return {
        "due": fact.due.units,
        "quote": fact.quote,
        "tolerance": fact.terms.tolerance,
        "dust": fact.terms.dust,
        "final_depth": fact.terms.final_depth,
        "expires_at": fact.expires_at,
        "requotes": payment.requotes + 1,
        "changed_at": fact.at,
    }


def _arrived(payment: Payment, told: Iterable[Arriving]) -> dict[str, object]:
    """Return what observations change, however many, but for the axes."""
    arrivals = known_of(payment)
    changed_at = payment.changed_at
    for fact in told:
        new = (fact.transfer.txid, fact.transfer.position) not in arrivals
        after = arrive(arrivals, fact)
        if new and after is not None:
            gas = sweep_fold.is_gas(payment.sweeps, after.asset, after.units)
            arrivals[after.txid, after.position] = after.model_copy(update={"gas": gas})
        changed_at = max(changed_at, fact.at or changed_at)
    return {"transfers": tuple(arrivals.values()), "changed_at": changed_at}


def _weighed(payment: Payment) -> Payment:
    """Return the payment with its axes drawn anew from its transfers."""
    standing = [arrival for arrival in payment.transfers if payment.counts(arrival)]
    total = sum(arrival.units for arrival in standing)
    on_time = sum(arrival.units for arrival in standing if in_time(payment, arrival))
    heights = [arrival.inclusion.height for arrival in payment.transfers if arrival.live and arrival.inclusion]
    changes: dict[str, object] = {
        "amount": amount_of(total, payment.due, payment.tolerance),
        "timing": Timing.NONE
        if not total
        else Timing.ON_TIME
        if on_time >= min(total, payment.enough)
        else Timing.LATE,
        "included": sum(arrival.units for arrival in _counted(payment)),
        "highest": max(heights, default=None),
    }
    if payment.finality in (Finality.NONE, Finality.SEEN):
        changes["finality"] = Finality.SEEN if total else Finality.NONE
    return payment.model_copy(update=changes)


def amount_of(units: int, due: int, tolerance: int = 0) -> Amount:
    """Return how an amount relates to what is due, all in base units: exact up to `tolerance` below, over above."""
    if not units:
        return Amount.NONE
    return Amount.UNDER if units < due - tolerance else Amount.EXACT if units <= due else Amount.OVER


def in_time(payment: Payment, arrival: Arrival, grace: timedelta = timedelta(0)) -> bool:
    """Return whether a transfer was seen by expiry (plus `grace`) and was not mined too late."""
    mined = arrival.first_mined is None or arrival.first_mined <= payment.expires_at + MINED_WITHIN
    return mined and arrival.seen_at <= payment.expires_at + grace


def _counted(payment: Payment) -> list[Arrival]:
    """Return the transfers that count towards settlement: live, in a block, the right asset, no dust, in the grace.

    For goods that were handed over unpaid it is never too late.
    """
    return [
        arrival
        for arrival in payment.transfers
        if payment.counts(arrival) and arrival.inclusion and (payment.written_off or in_time(payment, arrival, GRACE))
    ]


def _inclusion(arrival: Arrival) -> Inclusion:
    if arrival.inclusion is None:
        raise Bug(f"{arrival.txid} is in no block")
    return arrival.inclusion


def _final_units(payment: Payment, final_height: int) -> int:
    return sum(arrival.units for arrival in _counted(payment) if _inclusion(arrival).height <= final_height)


def who(payment: Payment) -> dict[str, Any]:
    """Return what every fact of the payment says."""
    return {
        "payment_id": payment.payment_id,
        "order_id": payment.order_id,
        "shop_id": payment.shop_id,
        "merchant_id": payment.merchant_id,
        "customer_id": payment.customer_id,
    }
