"""What is shown of a refund."""

from shared.kernel.money import Money
from shared.payments.model import Payment
from shared.payments.refund_model import Refund, RefundView


def refund_view(payment: Payment, refund: Refund, *, to_the_shop: bool = False) -> RefundView:
    """Return what the customer sees of a refund; who approved it is for the shop."""
    asset = refund.amount.asset
    return RefundView(
        refund_id=refund.refund_id,
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        shop_id=payment.shop_id,
        chain=payment.chain,
        amount=refund.amount,
        of_settled=Money(asset=asset, units=refund.of_settled),
        to=refund.to,
        rate=refund.rate,
        worth=refund.worth,
        state=refund.state,
        delayed=refund.delayed,
        by_customer=refund.by_customer,
        approvals=refund.approvals,
        approved=min(len(refund.approved_by), refund.approvals),
        approved_by=refund.approved_by if to_the_shop else (),
        reason=refund.reason,
        lines=refund.lines,
        txids=tuple(signed.txid for signed in refund.signed),
        height=refund.mined.height if refund.mined else None,
        fee=refund.fee,
        moved=None if refund.moved is None else Money(asset=asset, units=refund.moved),
        requested_at=refund.requested_at,
        changed_at=refund.changed_at,
    )
