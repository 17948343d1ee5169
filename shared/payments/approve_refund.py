"""approve_refund: somebody of the merchant agrees to a refund, or does not."""

from shared.kernel.decision import By, Stored
from shared.kernel.errors import NotFound
from shared.kernel.ids import RefundId
from shared.kernel.reply import Reply
from shared.payments.model import Payment
from shared.payments.refund_model import DecideRefund, RefundView
from shared.payments.refund_ports import Refunds
from shared.payments.refunds import decide
from shared.payments.request_refund import shown


async def approve_refund(refund_id: RefundId, command: DecideRefund, *, by: By, using: Refunds) -> Reply[RefundView]:
    """Return the refund; it is approved when enough different people agreed.

    Raises NotFound, also for another merchant's refund, FourEyes, RefundClosed, AlreadyAnswered, VersionConflict.
    """
    payment_id = await using.store.payment_of(refund_id)
    if payment_id is None:
        raise NotFound("There is no such refund.")
    now = using.clock.now()

    def reply(stored: Stored[Payment]) -> Reply[RefundView]:
        return shown(stored, refund_id, by=by)

    return reply(
        await using.store.decide(
            payment_id,
            lambda payment: decide(payment, refund_id, command, by=by, now=now),
            by=by,
            now=now,
            reply=reply,
        )
    )
