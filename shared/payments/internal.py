"""Ether that no transaction's value and no log shows: what a smart-contract wallet pays by calls of its own.

Such a transfer is known by its address alone, found as the part of a balance that nothing explains. Its identity is
`internal:<address>` with a running number. The amount is never a difference of two balances: whatever was missed or
taken back before, what is credited after a look adds up to what came.
"""

from collections.abc import Iterator
from typing import Final

from shared.kernel.money import Asset
from shared.payments.chain import Block, Transfer
from shared.payments.model import Arrival, Payment

PREFIX: Final = "internal:"
"""Begins the txid of a transfer that was found by its balance."""


def positions(payment: Payment, missing: int) -> Iterator[tuple[int, int]]:
    """Yield (number, units) of the internal transfers to credit so that `missing` base units are; none for ≤ 0.

    What a lost branch took back revives where the amount is the same: all of it, else one of it. Anything else is new,
    and seen now: a replacement is a new sighting.
    """
    if missing <= 0:
        return
    own = [arrival for arrival in payment.transfers if arrival.txid == txid(payment)]
    lost = [arrival for arrival in own if not arrival.live]
    if sum(arrival.units for arrival in lost) == missing:
        again = lost
    else:
        again = [arrival for arrival in lost if arrival.units == missing][:1]
    if again:
        yield from ((arrival.position, arrival.units) for arrival in again)
    else:
        yield len(own), missing


def transfer(payment: Payment, native: Asset, position: int, units: int, block: Block) -> Transfer:
    """Return the transfer as if the block had shown it: from this block on it is confirmed."""
    return Transfer(
        chain=payment.chain,
        asset=native,
        txid=txid(payment),
        position=position,
        to=payment.watch_key,
        units=units,
        block=block.ref,
        time=block.time,
    )


def txid(payment: Payment) -> str:
    """Return what stands for the transaction of the payment's internal transfers."""
    return f"{PREFIX}{payment.watch_key}"


def is_internal(arrival: Arrival) -> bool:
    """Return whether a transfer was found by its balance."""
    return arrival.txid.startswith(PREFIX)
