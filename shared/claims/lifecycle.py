"""The state machine of a claim: issued ──▶ redeemed, and issued ◀──▶ revoked. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypedDict

from shared.claims.facts import ClaimDelegated, ClaimIssued, ClaimRedeemed, ClaimRevoked
from shared.claims.model import Claim, ClaimStatus
from shared.claims.ports import OrderStanding
from shared.kernel.decision import By
from shared.kernel.errors import Bug, Conflict, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import ClaimId, MerchantId, OrderId, ShopId, UserId

_PAID: Final = frozenset({"confirmed", "preparing", "ready"})
"""The states of an order between its payment and its hand-over."""
MOST_CODES: Final = 20
"""As often may a claim be given a new code."""
HashOf = Callable[[int], str]
"""The digest of a claim's code, by serial number."""


class WrongCode(NotFound):
    """No order of this shop waits for the code: mistyped, made up, another shop's. Nothing tells which."""

    type = "wrong-claim-code"
    title = "This code is not good here"

    def __init__(self) -> None:
        super().__init__("No order here waits for this code. Ask the customer for it again.")


class StaleToken(Conflict):
    """The token is genuine, and its minute is over: a picture of the QR code, or a phone without a connection."""

    type = "claim-token-stale"
    title = "This QR code is too old"


class CodesUsedUp(Conflict):
    """The code was replaced too often."""

    type = "claim-codes-used-up"
    title = "This claim gets no further code"


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


def delegate(
    claim: Claim | None, order: OrderStanding | None, *, to: UserId | None, hash_of: HashOf, by: By, now: datetime
) -> Sequence[Fact]:
    """Return the fact of a new code, which only `to` is shown; nobody named: the customer. The old one ends with it.

    The customer alone decides that, as often as MOST_CODES; whom they named can't hand it on. Raises NotFound for
    everybody else, AlreadyRedeemed, Withheld while nothing can be picked up, CodesUsedUp.
    """
    if claim is None or order is None or by.actor != claim.customer_id:
        raise NotFound("There is no code for such an order of yours; it comes when the payment has settled.")
    if claim.status is ClaimStatus.REDEEMED:
        raise AlreadyRedeemed("The order was handed over.", redeemed_at=claim.redeemed_at)
    if order.status not in _PAID or order.halted:
        raise Withheld("The order was called off, or waits for its payment to settle again.")
    if claim.serial >= MOST_CODES:
        raise CodesUsedUp(f"It had {MOST_CODES} codes. Ask the shop to hand the order over in person.")
    serial = claim.serial + 1
    return (
        ClaimDelegated(
            **_common(claim, now), holder_id=to or claim.customer_id, serial=serial, code_hash=hash_of(serial)
        ),
    )


def revoke(claim: Claim | None, *, hash_of: HashOf, by: By, now: datetime) -> Sequence[Fact]:
    """Return the fact that the code is good for nothing; none when it was revoked before.

    By the customer, by whom they let pick up, or by the shop's staff. The order stays paid: the customer takes a new
    code by `delegate`. Raises NotFound for everybody else, AlreadyRedeemed.
    """
    if claim is None or not (
        by.actor in (claim.customer_id, claim.holder_id) or by.staff_of(claim.merchant_id, claim.shop_id)
    ):
        raise NotFound("There is no such claim of yours.")
    if claim.status is ClaimStatus.REDEEMED:
        raise AlreadyRedeemed("The order was handed over.", redeemed_at=claim.redeemed_at)
    if claim.status is ClaimStatus.REVOKED:
        return ()
    serial = claim.serial + 1
    return (ClaimRevoked(**_common(claim, now), serial=serial, code_hash=hash_of(serial), revoked_by=by.actor),)


def redeem(
    claim: Claim | None,
    order: OrderStanding | None,
    *,
    attempt_id: str,
    by: By,
    now: datetime,
    stale: bool = False,
) -> Sequence[Fact]:
    """Return the fact of the hand-over; none when this very attempt has won before: it is told the same again.

    `stale`: by a token whose time is over. Raises AlreadyRedeemed for another attempt, StaleToken, WrongCode for a
    revoked claim, NotReady unless the order is ready and its payment stands.
    """
    if claim is None or order is None:
        raise Bug("a claim that was found by its code has no row, or no order")
    if claim.status is ClaimStatus.REDEEMED:
        if claim.attempt_id == attempt_id and claim.redeemed_by == by.actor:
            return ()
        raise AlreadyRedeemed("It was handed over before. Don't hand it over again.", redeemed_at=claim.redeemed_at)
    if claim.status is ClaimStatus.REVOKED:
        raise WrongCode
    if stale:
        raise StaleToken("Ask the customer to show the code anew; it changes every half minute.")
    if order.halted:
        raise NotReady("The chain took the payment back. Wait until it settles again.", order_status=order.status)
    if order.status != "ready":
        raise NotReady(f"The order is {order.status}, not ready.", order_status=order.status)
    return (ClaimRedeemed(**_common(claim, now), attempt_id=attempt_id, redeemed_by=by.actor, serial=claim.serial),)


class _Common(TypedDict):
    claim_id: ClaimId
    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    customer_id: UserId
    at: datetime


def _common(claim: Claim, now: datetime) -> _Common:
    """Return what every fact of a claim says."""
    return {
        "claim_id": claim.claim_id,
        "order_id": claim.order_id,
        "shop_id": claim.shop_id,
        "merchant_id": claim.merchant_id,
        "customer_id": claim.customer_id,
        "at": now,
    }


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
    if claim is not None and claim.status is not ClaimStatus.REDEEMED and isinstance(fact, ClaimDelegated):
        holder = fact.holder_id if fact.holder_id != claim.customer_id else None
        new = {"status": ClaimStatus.ISSUED, "serial": fact.serial, "code_hash": fact.code_hash, "holder_id": holder}
        return claim.model_copy(update=new)
    if claim is not None and claim.status is ClaimStatus.ISSUED and isinstance(fact, ClaimRevoked):
        new = {"status": ClaimStatus.REVOKED, "serial": fact.serial, "code_hash": fact.code_hash, "holder_id": None}
        return claim.model_copy(update=new)
    raise Bug(f"{fact.type} can't happen to {'no claim' if claim is None else f'a claim that is {claim.status}'}")
