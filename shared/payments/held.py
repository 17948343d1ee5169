"""Whose the coins of a payment are in one asset: the shop's, the order's, or the customer's to have back. Pure.

The ledger's claims and the bounds of refunds are both drawn from here, so that neither knows a coin the other does not.
"""

from collections.abc import Collection
from dataclasses import dataclass

from shared.kernel.money import Asset
from shared.payments.model import Payment
from shared.payments.refund_model import Refund


@dataclass(frozen=True, slots=True)
class Claims:
    """Base units of one asset. `left` is what belongs to nobody else; below zero it is missing."""

    received: int
    settled: int
    refunded: int
    waiting: int
    """It counts towards a payment that may still settle."""

    @property
    def left(self) -> int:
        return self.received - self.settled - self.refunded

    @property
    def held(self) -> int:
        return max(self.left, 0)

    @property
    def shortfall(self) -> int:
        return max(-self.left, 0)

    @property
    def refundable(self) -> int:
        return self.held - self.waiting


def claims(
    payment: Payment,
    credited: int,
    asset: Asset,
    *,
    gone: Collection[Refund],
    revoked: Collection[Refund],
    up_to: int | None = None,
) -> Claims:
    """Return who has a claim to what lies in blocks up to `up_to` (None: all of the best chain).

    `credited` is what the settlement gave the shop; `gone` are the refunds whose coins count as given back, `revoked`
    those whose part of the shop's revenue counts as revenue no longer.
    """
    own = asset == payment.asset
    received = sum(
        arrival.units
        for arrival in payment.transfers
        if arrival.live
        and arrival.inclusion is not None
        and not arrival.gas
        and (arrival.asset or payment.asset) == asset
        and (up_to is None or arrival.inclusion.height <= up_to)
    )
    settled = max(credited - sum(r.of_settled for r in revoked if r.amount.asset == asset), 0) if own else 0
    refunded = sum(refund.amount.units for refund in gone if refund.amount.asset == asset)
    held = max(received - settled - refunded, 0)
    waiting = min(held, payment.included) if own and payment.open and not payment.settled else 0
    return Claims(received, settled, refunded, waiting)
