"""What observations make of the transfers to a payment's address, by their identity (txid, position)."""

from typing import Final

from shared.payments import facts
from shared.payments.model import Arrival, Inclusion, Payment

Arriving = facts.PaymentSeen | facts.PaymentIncluded | facts.PaymentExcluded
ARRIVING: Final = (facts.PaymentSeen, facts.PaymentIncluded, facts.PaymentExcluded)


def known_of(payment: Payment) -> dict[tuple[str, int], Arrival]:
    """Return the payment's transfers by what names them, the oldest first."""
    return {(arrival.txid, arrival.position): arrival for arrival in payment.transfers}


def arrive(arrivals: dict[tuple[str, int], Arrival], fact: Arriving) -> Arrival | None:
    """Note in `arrivals` what a fact makes of its transfer, and return that; None where it changes nothing.

    At most one inclusion of a transfer is live; another revives it.
    """
    key = (fact.transfer.txid, fact.transfer.position)
    known = arrivals.get(key)
    after: Arrival | None
    match fact:
        case facts.PaymentSeen():
            after = _seen(known, fact)
        case facts.PaymentIncluded():
            after = _included(known, fact)
        case facts.PaymentExcluded():
            after = _excluded(known, fact)
    if after is not None:
        arrivals[key] = after
    return after


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
    first = min(arrival.first_mined or fact.block_time, fact.block_time)
    changes = {"units": fact.units, "asset": fact.asset, "live": True, "inclusion": inclusion, "first_mined": first}
    return arrival.model_copy(update=changes)


def _excluded(known: Arrival | None, fact: facts.PaymentExcluded) -> Arrival | None:
    """Return the transfer without the inclusion that was lost; None when it stands in another block, or is unknown."""
    if known is None or (known.inclusion.block_hash if known.inclusion else None) != fact.block_hash:
        return None
    return known.model_copy(update={"live": False, "inclusion": None})
