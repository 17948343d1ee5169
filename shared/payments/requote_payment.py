"""requote_payment: time is up with too little paid, or paid too late: count what came, and quote the rest anew."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from shared.kernel.decision import By, Decided, Guard
from shared.kernel.errors import Bug, Conflict, NotFound
from shared.kernel.ids import PaymentId
from shared.kernel.money import Fiat, Money
from shared.kernel.reply import Reply
from shared.payments import lifecycle
from shared.payments.facts import PaymentRequoted
from shared.payments.get_payment import shown
from shared.payments.model import Payment, PaymentView
from shared.payments.ports import LockedQuote, PayableChain, PayableOrder, Requesting
from shared.payments.quote import signed_quote
from shared.payments.refund_model import RefundState

PAY_WITHIN: Final = timedelta(minutes=15)
MOST: Final = 3
"""As many fresh quotes a payment gets: a price is no free option."""


class NotRequotable(Conflict):
    """The payment needs no fresh quote, or can't have one."""

    type = "payment-not-requotable"
    title = "The payment can't be quoted anew"


async def requote_payment(payment_id: PaymentId, *, by: By, using: Requesting) -> Reply[PaymentView]:
    """Return the payment with what came in time counted as it was quoted, what came late at the present price.

    The rest has a signed quote for fifteen minutes; where none is left, the payment settles as soon as it is confirmed.
    Raises NotFound, NotRequotable, NoFreshPrice, AssetDepegged, VersionConflict, AlreadyAnswered, KeyReused, Transient.
    """
    now = using.clock.now()

    async def rule(payment: Payment | None) -> Decided:
        if payment is None or payment.customer_id != by.actor:
            raise NotFound("There is no such payment.")
        order = await using.orders.payable(payment.order_id)
        if order is None:
            raise Bug(f"{payment_id} has no order")
        _must_be_requotable(payment, order, now)
        chain = next((each for each in using.chains if each.name == payment.chain), None)
        if chain is None or payment.asset not in chain.contracts:
            raise NotRequotable(f"{payment.asset} on {payment.chain} is no longer taken; what was paid is refundable.")
        fact = await _requoted(payment, chain, now=now, using=using)
        return Decided((fact,), guard=Guard("orders", order.order_id, order.version))

    return shown(await using.store.decide(payment_id, rule, by=by, now=now, reply=shown))


def _must_be_requotable(payment: Payment, order: PayableOrder, now: datetime) -> None:
    if payment.settled:
        raise NotRequotable("It is paid.")
    if not (payment.open and order.pending):
        raise NotRequotable("Its order is over. What was paid for it is refundable; order again.")
    if now <= payment.expires_at:
        raise NotRequotable("Its quote still holds.", expires_at=payment.expires_at)
    if not payment.received:
        raise NotRequotable("Nothing has arrived for it. Order again: prices and stock are then those of now.")
    if any(refund.state is not RefundState.DECLINED for refund in payment.refunds):
        raise NotRequotable("What was paid for it is being given back. Order again.")
    if payment.requotes >= MOST:
        raise NotRequotable(f"It was quoted anew {MOST} times. What was paid is refundable when the order expires.")


async def _requoted(payment: Payment, chain: PayableChain, *, now: datetime, using: Requesting) -> PaymentRequoted:
    """Return the fact of a fresh quote for what is left to pay of the payment."""
    late = sum(a.units for a in payment.transfers if payment.counts(a) and not lifecycle.in_time(payment, a))
    counted = min(payment.received - late, payment.due)
    rest, price = await _rest(payment, payment.due - counted, late, using=using)
    expires_at = now + PAY_WITHIN
    due = payment.received + rest.amount.units
    quote = signed_quote(
        payment.payment_id,
        rest,
        price=price,
        chain=chain,
        address=payment.address,
        expires_at=expires_at,
        signer=using.signer,
    )
    # A tier is by the order's whole price, so confirmations and finality stay what they were.
    terms = chain.policies[payment.asset].terms(due, price=payment.quote.price.units)
    terms = terms.model_copy(update={"final_depth": payment.final_depth})
    return PaymentRequoted(
        **lifecycle.who(payment),
        due=Money(asset=payment.asset, units=due),
        quote=quote,
        terms=terms,
        expires_at=expires_at,
        at=now,
    )


async def _rest(payment: Payment, unpaid: int, late: int, *, using: Requesting) -> tuple[LockedQuote, Fiat]:
    """Return the coins that are left to pay and the price they stand for, rounded up; 0 where late coins cover it.

    `unpaid` of the present quote's coins stand for their part of its price; at the present rate that is `whole`.
    """
    quoted = payment.quote
    fiat = Fiat(currency=quoted.price.currency, units=-(-quoted.price.units * unpaid // max(quoted.amount, 1)))
    spread_bp = quoted.spread_bp or 0
    whole = await using.quotes.lock(fiat, payment.asset, spread_bp=spread_bp)
    left = max(whole.amount.units - late, 0)
    rest = Fiat(currency=fiat.currency, units=-(-fiat.units * left // max(whole.amount.units, 1)))
    if not rest.units:
        return replace(whole, amount=Money(asset=payment.asset, units=0)), rest
    return await using.quotes.lock(rest, payment.asset, spread_bp=spread_bp), rest
