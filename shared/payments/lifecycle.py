"""The state machine of a payment: three axes (amount × timing × finality) folded from what the chain was seen to do.

Any combination is legal, and there is always a way back until a payment is final. A rule takes the state and what is
known and returns facts; nothing here knows the time or a node.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from shared.kernel.decision import By
from shared.kernel.errors import Bug, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId
from shared.kernel.money import Money
from shared.payments import facts
from shared.payments.model import Amount, Arrival, ChainCursor, Finality, Inclusion, Payment, Timing

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


def confirm(payment: Payment, *, height: int, final_height: int, now: datetime) -> Sequence[Fact]:
    """Return settled, final or reversed, as the chain read up to `height` has it; nothing when nothing changes."""
    confirmed = sum(
        arrival.units
        for arrival in _counted(payment)
        if height - _inclusion(arrival).height + 1 >= payment.confirmations
    )
    settled = payment.settled
    decided: list[Fact] = []
    if settled and not payment.final and confirmed < payment.enough:
        reason = "the transfers that settled it have lost their confirmations"
        return (facts.PaymentReversed(**who(payment), reason=reason, at=now),)
    if not settled and confirmed >= payment.enough:
        received = Money(asset=payment.asset, units=confirmed)
        decided.append(facts.PaymentSettled(**who(payment), received=received, height=height, at=now))
        settled = True
    # Large amounts are final later than the chain's own rule has it, never sooner.
    final_height = min(final_height, height - payment.final_depth + 1)
    if settled and not payment.final and _final_units(payment, final_height) >= payment.enough:
        decided.append(facts.PaymentFinal(**who(payment), at=now))
    return decided


def expire(payment: Payment, *, proven: datetime, now: datetime) -> Sequence[Fact]:
    """Return expired for a payment that is over, given that chain and mempool were read up to `proven`.

    With nothing seen in time it is over when the grace is; with something seen, a day after expiry. Dust is nothing.
    """
    promising = any(payment.counts(a) and in_time(payment, a, GRACE) for a in payment.transfers)
    last = HOLD if promising else GRACE
    if payment.settled or payment.expired or proven < payment.expires_at + last:
        return ()
    return (facts.PaymentExpired(**who(payment), at=now),)


def evolve(payment: Payment | None, fact: Fact) -> Payment:
    """Return the state after `fact`. Total over the facts of a payment; anything else is a Bug."""
    if isinstance(fact, facts.PaymentRequested):
        return _requested(fact)
    if payment is None or not isinstance(fact, facts.PaymentFact):
        raise Bug(f"{fact.type} can't happen to {'no payment' if payment is None else payment.payment_id}")
    match fact:
        case facts.PaymentSeen() | facts.PaymentIncluded() | facts.PaymentExcluded():
            return _weighed(payment.model_copy(update=_arrived(payment, fact)))
        case facts.PaymentSettled():
            changes: dict[str, object] = {"settled": True, "finality": Finality.CONFIRMED}
        case facts.PaymentFinal():
            changes = {"final": True, "finality": Finality.FINAL}
        case facts.PaymentReversed():
            changes = {"settled": False, "finality": Finality.REVERSED}
        case facts.PaymentExpired():
            changes = {"expired": True}
        case _:
            raise Bug(f"a payment does not know {fact.type}")
    return payment.model_copy(update={**changes, "changed_at": fact.at})


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
        quote=fact.quote,
        requested_at=fact.requested_at,
        expires_at=fact.expires_at,
        changed_at=fact.requested_at,
    )


def _arrived(
    payment: Payment, fact: facts.PaymentSeen | facts.PaymentIncluded | facts.PaymentExcluded
) -> dict[str, object]:
    """Return the transfers after an observation. At most one inclusion of a transfer is live; another revives it."""
    key = (fact.transfer.txid, fact.transfer.position)
    known = next((arrival for arrival in payment.transfers if (arrival.txid, arrival.position) == key), None)
    after: Arrival | None
    match fact:
        case facts.PaymentSeen():
            after = _seen(known, fact)
        case facts.PaymentIncluded():
            after = _included(known, fact)
        case facts.PaymentExcluded():
            after = _excluded(known, fact)
    if after is None:
        transfers = payment.transfers
    elif known is None:
        transfers = (*payment.transfers, after)
    else:
        transfers = tuple(after if arrival is known else arrival for arrival in payment.transfers)
    return {"transfers": transfers, "changed_at": max(payment.changed_at, fact.at or payment.changed_at)}


def _seen(known: Arrival | None, fact: facts.PaymentSeen) -> Arrival:
    if known is not None:
        return known.model_copy(update={"live": True, "seen_at": min(known.seen_at, fact.seen_at)})
    return Arrival(
        txid=fact.transfer.txid,
        position=fact.transfer.position,
        units=fact.units,
        asset=fact.asset,
        seen_at=fact.seen_at,
        live=True,
    )


def _included(known: Arrival | None, fact: facts.PaymentIncluded) -> Arrival:
    inclusion = Inclusion(height=fact.height, block_hash=fact.block_hash, time=fact.block_time)
    arrival = known or Arrival(
        txid=fact.transfer.txid, position=fact.transfer.position, units=fact.units, seen_at=fact.block_time, live=True
    )
    changes = {"units": fact.units, "asset": fact.asset, "live": True, "inclusion": inclusion}
    return arrival.model_copy(update=changes)


def _excluded(known: Arrival | None, fact: facts.PaymentExcluded) -> Arrival | None:
    """Return the transfer without the inclusion that was lost; None when it stands in another block, or is unknown."""
    if known is None or (known.inclusion.block_hash if known.inclusion else None) != fact.block_hash:
        return None
    return known.model_copy(update={"live": False, "inclusion": None})


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
    """Return whether a transfer was seen by expiry (plus `grace`) and is not mined too late."""
    mined = arrival.inclusion is None or arrival.inclusion.time <= payment.expires_at + MINED_WITHIN
    return mined and arrival.seen_at <= payment.expires_at + grace


def _counted(payment: Payment) -> list[Arrival]:
    """Return the transfers that count towards settlement: live, in a block, the right asset, no dust, in the grace."""
    return [
        arrival
        for arrival in payment.transfers
        if payment.counts(arrival) and arrival.inclusion and in_time(payment, arrival, GRACE)
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
