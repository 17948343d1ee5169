"""Who may have which coins of a payment back: asked for, agreed to, declined. Pure rules; a rule returns facts.

A refund is reserved by the fact that asks for it, on the payment's own stream: of two requests for the same coins the
second one finds them taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

from shared.kernel.decision import By, Role
from shared.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import RefundId
from shared.kernel.money import MINOR_DIGITS, Asset, Fiat, Money, whole
from shared.payments import facts
from shared.payments.chain import ReceiveAddress
from shared.payments.facts import RefundRate
from shared.payments.held import claims
from shared.payments.ledger import Position
from shared.payments.lifecycle import visible, who
from shared.payments.model import Payment
from shared.payments.refund_lines import LineValue, units_of
from shared.payments.refund_model import POLICY, DecideRefund, Refund, RefundState, RequestRefund
from shared.payments.refund_policy import MOST, MOST_DECLINED, RefundPolicy

_ASKING: Final = frozenset({Role.OWNER, Role.MANAGER})


class RefundExceedsHeld(Conflict):
    """There are not so many coins to be given back: never came, already given back, or asked for by somebody else."""

    type = "refund-exceeds-held"
    title = "So much is not there to be given back"


class RefundTooSmall(Invalid):
    """Sending it would cost more than it is, or the network would not carry it."""

    type = "refund-too-small"
    title = "So little can't be sent"


class RefundClosed(Conflict):
    """The refund is past the point where the step makes sense."""

    type = "refund-state"
    title = "The refund's state does not allow this"


class FourEyes(Forbidden):
    """Whoever asks for money does not agree to it as well, and nobody agrees twice."""

    type = "four-eyes"
    title = "Somebody else must approve this"


@dataclass(frozen=True, slots=True)
class Available:
    """What may be asked for, in base units: what is the customer's, and what is the shop's revenue."""

    held: int
    revenue: int


def available(position: Position, asset: Asset) -> Available:
    """Return what is neither given back nor asked for yet. Where coins are missing, none of the revenue can be sent."""
    standing = [refund for refund in position.payment.refunds if refund.state is not RefundState.DECLINED]
    left = claims(position.payment, position.credited, asset, gone=standing, revoked=standing)
    return Available(left.refundable, 0 if left.shortfall else left.settled)


def shops(payment: Payment, by: By) -> bool:
    """Return whether the caller may act for the shop: its owner or a manager."""
    return by.staff_of(payment.merchant_id, payment.shop_id) and bool(by.roles & _ASKING)


def request(
    position: Position,
    command: RequestRefund,
    *,
    refund_id: RefundId,
    to: ReceiveAddress,
    market: facts.RefundMarket | None,
    policy: RefundPolicy,
    given_today: int = 0,
    values: Sequence[LineValue] = (),
    by: By,
    now: datetime,
) -> tuple[Fact, ...]:
    """Return requested, and approved where nobody has to agree. `market` is needed at the rate of now.

    `given_today`: minor units that the shop's people gave back in 24 hours without anybody else's consent;
    `values`: the lines of the order, where the refund names some.
    Raises NotFound, Invalid, RefundExceedsHeld, RefundTooSmall, RefundClosed.
    """
    payment = visible(position.payment, by)
    shop = _may_ask(payment, by)
    asset = command.asset or payment.asset
    rate = rate_of(command, shop=shop, policy=policy)
    free = available(position, asset)
    most = free.revenue if command.lines else free.held + free.revenue if shop else free.held
    units = _wanted(payment, command, values, shop=shop, most=most)
    if units > most or not most:
        left = Money(asset=asset, units=most)
        raise RefundExceedsHeld(f"{left} can be given back now.", available=left)
    if rate is RefundRate.FIAT_NOW:
        units = min(worth_now(payment, asset, units, market), most)
    if units < policy.floor(asset):
        raise RefundTooSmall(f"Less than {whole(policy.floor(asset), asset.decimals)} {asset} is not sent.")
    amount, worth = Money(asset=asset, units=units), worth_then(payment, asset, units)
    # What is held is the customer's already: lines of the order are given back out of what the shop has for them.
    of_settled = units if command.lines else max(units - free.held, 0)
    automatic = _automatic(payment, worth, of_settled, policy, given_today if shop else None)
    about: dict[str, Any] = {**who(payment), "refund_id": refund_id, "at": now}
    requested = facts.RefundRequested(
        **about,
        amount=amount,
        of_settled=of_settled,
        to=to.address,
        to_key=to.key,
        rate=rate,
        worth=worth,
        market=market if rate is RefundRate.FIAT_NOW else None,
        requested_by=by.actor,
        by_customer=not shop,
        approvals=0 if automatic else policy.approvals,
        reason=command.reason,
        lines=command.lines,
    )
    return (requested, facts.RefundApproved(**about, approved_by=POLICY)) if automatic else (requested,)


def _wanted(payment: Payment, command: RequestRefund, values: Sequence[LineValue], *, shop: bool, most: int) -> int:
    """Return the base units that are asked for, before the rate of now. Raises Invalid."""
    if not command.lines:
        return most if command.units is None else command.units
    if not shop:
        raise Invalid("lines: a shop gives back by lines; what is yours is there without naming any.")
    return units_of(payment, command.lines, values)


def _may_ask(payment: Payment, by: By) -> bool:
    """Return whether it is the shop that asks, and not the customer. Raises NotFound, RefundClosed."""
    shop = shops(payment, by)
    if not shop and by.actor != payment.customer_id:
        raise NotFound("There is no such payment.")
    _must_have_room(payment)
    return shop


def _must_have_room(payment: Payment) -> None:
    declined = sum(refund.state is RefundState.DECLINED for refund in payment.refunds)
    if len(payment.refunds) - declined >= MOST or declined >= MOST_DECLINED:
        raise RefundClosed(f"A payment has {MOST} refunds at most, and {MOST_DECLINED} declined ones.")


def rate_of(command: RequestRefund, *, shop: bool, policy: RefundPolicy) -> RefundRate:
    """Return the rate of a refund. Raises Invalid where a customer chooses: that would be an option for free."""
    if command.rate not in (None, policy.rate) and not shop:
        raise Invalid(f"The rate of a refund is the shop's to choose; without a word it is {policy.rate}.")
    return command.rate or policy.rate


def worth_then(payment: Payment, asset: Asset, units: int) -> Fiat | None:
    """Return what the coins are worth at the quote's rate, rounded up; None for a coin that no quote was given for."""
    quote = payment.quote
    if asset != payment.asset or not quote.amount:
        return None
    return Fiat(currency=quote.price.currency, units=-(-units * quote.price.units // quote.amount))


def worth_now(payment: Payment, asset: Asset, units: int, market: facts.RefundMarket | None) -> int:
    """Return as many base units as buy now, rounded down, what `units` were worth at the quote's rate."""
    quote = payment.quote
    if asset != payment.asset or not quote.amount or market is None:
        raise Invalid("Only coins that were quoted can be given back at their value then: ask for the coins.")
    minor = Fraction(units * quote.price.units, quote.amount * 10 ** MINOR_DIGITS[quote.price.currency])
    return int(minor / Fraction(market.rate) * 10**asset.decimals)


def _automatic(
    payment: Payment, worth: Fiat | None, of_settled: int, policy: RefundPolicy, given_today: int | None
) -> bool:
    """Return whether nobody has to agree: it and what went before without anybody's consent is within the limits.

    `given_today` is None where the customer asks, for coins that are theirs.
    """
    before = [r for r in payment.refunds if POLICY in r.approved_by and r.state is not RefundState.DECLINED]
    if worth is None:
        return False
    given = worth.units + sum(refund.worth.units for refund in before if refund.worth)
    revenue = of_settled or any(refund.of_settled for refund in before)
    if given_today is not None and given_today + worth.units > policy.automatic_daily_minor:
        return False
    return given <= (policy.automatic_revenue_minor if revenue else policy.automatic_minor)


def decide(
    payment: Payment | None, refund_id: RefundId, command: DecideRefund, *, by: By, now: datetime
) -> tuple[Fact, ...]:
    """Return approved or declined. Raises NotFound, FourEyes, RefundClosed."""
    refund = find(payment, refund_id)
    if payment is None or refund is None or not shops(payment, by):
        raise NotFound("There is no such refund.")
    about: dict[str, Any] = {**who(payment), "refund_id": refund_id, "at": now}
    if not command.approve:
        if refund.state not in (RefundState.REQUESTED, RefundState.APPROVED):
            raise RefundClosed(f"It is {refund.state}: what was signed can't be taken back.")
        return (facts.RefundDeclined(**about, declined_by=by.actor, reason=command.reason),)
    if refund.state is not RefundState.REQUESTED:
        raise RefundClosed(f"It is {refund.state} already.")
    if by.actor in (refund.requested_by, payment.customer_id):
        raise FourEyes("Whoever asked for a refund, or gets it, does not approve it.")
    if by.actor in refund.approved_by:
        raise FourEyes("You have approved it already; somebody else must, too.")
    return (facts.RefundApproved(**about, approved_by=by.actor),)


def find(payment: Payment | None, refund_id: RefundId) -> Refund | None:
    """Return the refund of the payment, or None."""
    refunds = payment.refunds if payment else ()
    return next((refund for refund in refunds if refund.refund_id == refund_id), None)
