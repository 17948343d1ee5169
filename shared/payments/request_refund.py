"""request_refund: reserve coins of a payment for somebody who is to have them back."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from shared.kernel.decision import By, Stored
from shared.kernel.errors import Bug, Invalid, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import PaymentId, RefundId
from shared.kernel.reply import Reply
from shared.payments.chain import ReceiveAddress
from shared.payments.facts import RefundMarket, RefundRate
from shared.payments.lifecycle import visible
from shared.payments.model import Payment
from shared.payments.refund_model import RefundView, RequestRefund
from shared.payments.refund_ports import RequestingRefunds
from shared.payments.refund_views import refund_view
from shared.payments.refunds import find, rate_of, request, shops

_A_DAY: Final = timedelta(days=1)


class BadDestination(Invalid):
    """What is sent there is lost, or comes back to us."""

    type = "refund-destination"
    title = "Nothing is refunded to this address"


async def request_refund(
    payment_id: PaymentId, command: RequestRefund, *, by: By, using: RequestingRefunds
) -> Reply[RefundView]:
    """Return 201 with the refund, approved already where nobody has to agree.

    Raises NotFound, BadDestination, RefundExceedsHeld, RefundTooSmall, RefundClosed, NoFreshPrice, AlreadyAnswered.
    """
    found = await using.store.load(payment_id)
    payment = visible(found.state if found else None, by)
    to = await destination(payment, command.to, using=using)
    market = await _market(payment, command, by=by, using=using)
    refund_id, now = RefundId.new(), using.clock.now()
    values = await using.store.lines(payment.order_id) if command.lines else ()
    today = await using.store.given_since(payment.shop_id, now - _A_DAY) if shops(payment, by) else 0

    async def rule(present: Payment | None) -> Sequence[Fact]:
        position = await using.store.position(payment_id)
        if present is None or position is None:
            raise NotFound("There is no such payment.")
        return request(
            position,
            command,
            refund_id=refund_id,
            to=to,
            market=market,
            policy=using.policy,
            given_today=today,
            values=values,
            by=by,
            now=now,
        )

    def reply(stored: Stored[Payment]) -> Reply[RefundView]:
        return shown(stored, refund_id, by=by, status=201)

    return reply(await using.store.decide(payment_id, rule, by=by, now=now, reply=reply))


async def destination(payment: Payment, text: str, *, using: RequestingRefunds) -> ReceiveAddress:
    """Return where the coins go. Raises BadDestination for anything that is not an address of somebody else there."""
    try:
        to = using.destinations.parse(payment.chain, text)
    except Invalid as wrong:
        raise BadDestination(f"On {payment.chain}: {wrong.detail}") from wrong
    if await using.store.watched(payment.chain, to.key):
        raise BadDestination("It is an address that orders are paid to. Give one that you have the keys of.")
    return to


async def _market(payment: Payment, command: RequestRefund, *, by: By, using: RequestingRefunds) -> RefundMarket | None:
    """Return the rate of now where the refund is counted by it."""
    if rate_of(command, shop=shops(payment, by), policy=using.policy) is not RefundRate.FIAT_NOW:
        return None
    return await using.market.rate(payment.quote.price, payment.asset)


def shown(stored: Stored[Payment], refund_id: RefundId, *, by: By, status: int = 200) -> Reply[RefundView]:
    """Return a refund as an answer, with the version of its payment."""
    payment = stored.state
    refund = find(payment, refund_id)
    if refund is None:
        raise Bug(f"{refund_id} is none of {payment.payment_id}")
    return Reply(
        refund_view(payment, refund, to_the_shop=shops(payment, by)),
        status=status,
        version=stored.version,
        stream=payment.payment_id,
        location=f"/v1/payments/{payment.payment_id}" if status == 201 else None,
    )
