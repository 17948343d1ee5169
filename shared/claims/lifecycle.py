"""The state machine of a claim: issued ──▶ redeemed. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from shared.claims.facts import ClaimIssued, ClaimRedeemed
from shared.claims.model import Claim, ClaimStatus
from shared.claims.ports import OrderStanding
from shared.kernel.decision import By
from shared.kernel.errors import Bug, Conflict, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import ClaimId

_PAID: Final = frozenset({"confirmed", "preparing", "ready"})
"""The states of an order between its payment and its hand-over."""


class WrongCode(NotFound):
    """No order of this shop waits for the code: mistyped, made up, another shop's. Nothing tells which."""

    type = "wrong-claim-code"
    title = "This code is not good here"

    def __init__(self) -> None:
        super().__init__("No order here waits for this code. Ask the customer for it again.")


class AlreadyRedeemed(Conflict):
    """The order was handed over before."""

    type = "claim-redeemed"
    title = "This order was already handed over"


class NotReady(Conflict):
    """The code is right, the order is not on the counter yet, or no longer."""

    type = "claim-not-ready"
    title = "The order can't be handed over now"


class Withheld(Conflict):
    """There is a claim, and at present nothing can be picked up with it."""

    type = "claim-withheld"
    title = "The code is not shown now"


def issue(claim: Claim | None, order: OrderStanding, *, code_hash: str, now: datetime) -> Sequence[Fact]:
    """Return the fact of a new claim; none when there is one, or the order is no longer one to be picked up."""
    if claim is not None or order.status not in _PAID:
        return ()
    return (
        ClaimIssued(
            claim_id=ClaimId.like(order.order_id),
            order_id=order.order_id,
            shop_id=order.shop_id,
            merchant_id=order.merchant_id,
            customer_id=order.customer_id,
            code_hash=code_hash,
            at=now,
        ),
    )


def showable(claim: Claim, order: OrderStanding) -> bool:
    """Return whether the customer may see the code: while it can lead to a hand-over."""
    return claim.status is ClaimStatus.ISSUED and order.status in _PAID and not order.halted


def redeem(
    claim: Claim | None, order: OrderStanding | None, *, attempt_id: str, by: By, now: datetime
) -> Sequence[Fact]:
    """Return the fact of the hand-over; none when this very attempt has won before: it is told the same again.

    Raises AlreadyRedeemed for another attempt, NotReady unless the order is ready and its payment stands.
    """
    if claim is None or order is None:
        raise Bug("a claim that was found by its code has no row, or no order")
    if claim.status is ClaimStatus.REDEEMED:
        if claim.attempt_id == attempt_id and claim.redeemed_by == by.actor:
            return ()
        raise AlreadyRedeemed("It was handed over before. Don't hand it over again.", redeemed_at=claim.redeemed_at)
    if order.halted:
        raise NotReady("The chain took the payment back. Wait until it settles again.", order_status=order.status)
    if order.status != "ready":
        raise NotReady(f"The order is {order.status}, not ready.", order_status=order.status)
    return (
        ClaimRedeemed(
            claim_id=claim.claim_id,
            order_id=claim.order_id,
            shop_id=claim.shop_id,
            merchant_id=claim.merchant_id,
            customer_id=claim.customer_id,
            attempt_id=attempt_id,
            redeemed_by=by.actor,
            at=now,
        ),
    )


def evolve(claim: Claim | None, fact: Fact) -> Claim:
    """Return the state after `fact`. Total over the facts of this service; anything else is a Bug."""
    if claim is None and isinstance(fact, ClaimIssued):
        return Claim(
            claim_id=fact.claim_id,
            order_id=fact.order_id,
            shop_id=fact.shop_id,
            merchant_id=fact.merchant_id,
            customer_id=fact.customer_id,
            status=ClaimStatus.ISSUED,
            code_hash=fact.code_hash,
            issued_at=fact.at,
        )
    if claim is not None and claim.status is ClaimStatus.ISSUED and isinstance(fact, ClaimRedeemed):
        return claim.model_copy(
            update={
                "status": ClaimStatus.REDEEMED,
                "redeemed_at": fact.at,
                "redeemed_by": fact.redeemed_by,
                "attempt_id": fact.attempt_id,
            }
        )
    raise Bug(f"{fact.type} can't happen to {'no claim' if claim is None else f'a claim that is {claim.status}'}")
