"""get_payment: a payment with all that arrived, for its customer and its shop."""

from shared.kernel.decision import By, Stored
from shared.kernel.errors import NotFound
from shared.kernel.ids import PaymentId
from shared.kernel.money import Money
from shared.kernel.reply import Reply
from shared.payments import lifecycle
from shared.payments.links import link
from shared.payments.model import Arrival, Payment, PaymentView, TransferView
from shared.payments.ports import Payments
from shared.payments.refund_views import refund_view


async def get_payment(payment_id: PaymentId, *, by: By, using: Payments) -> Reply[PaymentView]:
    """Return the payment with its version as ETag. Raises NotFound, also for somebody else's payment."""
    return shown(await own(payment_id, by=by, using=using))


async def own(payment_id: PaymentId, *, by: By, using: Payments) -> Stored[Payment]:
    """Return the payment if the caller may see it. Raises NotFound."""
    found = await using.store.load(payment_id)
    lifecycle.visible(found.state if found else None, by)
    if found is None:
        raise NotFound("There is no such payment.")
    return found


def shown(stored: Stored[Payment], *, status: int = 200, location: str | None = None) -> Reply[PaymentView]:
    """Return a payment as an answer, with its ETag and consistency token."""
    return Reply(
        view_of(stored.state, stored.version),
        status=status,
        version=stored.version,
        stream=stored.state.payment_id,
        location=location,
    )


def view_of(payment: Payment, version: int) -> PaymentView:
    """Return what is shown of a payment at a version."""
    standing = [arrival for arrival in payment.transfers if payment.counts(arrival)]
    received = payment.received
    late = sum(arrival.units for arrival in standing if not lifecycle.in_time(payment, arrival, lifecycle.GRACE))
    return PaymentView(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        shop_id=payment.shop_id,
        chain=payment.chain,
        asset=payment.asset,
        address=payment.address,
        due=Money(asset=payment.asset, units=payment.due),
        received=Money(asset=payment.asset, units=received),
        missing=Money(asset=payment.asset, units=max(0, payment.due - received)),
        over=Money(asset=payment.asset, units=max(0, received - payment.due)),
        late=Money(asset=payment.asset, units=late),
        link=link(payment),
        quote=payment.quote,
        confirmations=payment.confirmations,
        amount=payment.amount,
        timing=payment.timing,
        finality=payment.finality,
        settled=payment.settled,
        final=payment.final,
        expired=payment.expired,
        superseded=payment.superseded,
        closed=payment.closed,
        written_off=payment.written_off,
        exposed=payment.exposed,
        transfers=tuple(_transfer(arrival, payment) for arrival in payment.transfers),
        refunds=tuple(refund_view(payment, refund) for refund in payment.refunds),
        requested_at=payment.requested_at,
        expires_at=payment.expires_at,
        changed_at=payment.changed_at,
        version=version,
    )


def _transfer(arrival: Arrival, payment: Payment) -> TransferView:
    return TransferView(
        txid=arrival.txid,
        position=arrival.position,
        received=Money(asset=arrival.asset or payment.asset, units=arrival.units),
        counts=payment.counts(arrival),
        seen_at=arrival.seen_at,
        height=arrival.inclusion.height if arrival.inclusion else None,
        block_hash=arrival.inclusion.block_hash if arrival.inclusion else None,
    )
