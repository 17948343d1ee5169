"""post_ledger: enter into the ledger what a payment's facts moved."""

from shared.kernel.decision import By
from shared.payments.bookkeeping import Bookkeeping
from shared.payments.facts import (
    PaymentClosed,
    PaymentExcluded,
    PaymentExpired,
    PaymentFinal,
    PaymentIncluded,
    PaymentRequoted,
    PaymentReversed,
    PaymentSettled,
    PaymentSwept,
    PaymentWrittenOff,
    RefundApproved,
    RefundConfirmed,
    RefundDeclined,
    RefundFailed,
    RefundLapsed,
    RefundSigned,
)
from shared.payments.ledger import entries

Moving = (
    PaymentIncluded
    | PaymentExcluded
    | PaymentSettled
    | PaymentReversed
    | PaymentFinal
    | PaymentExpired
    | PaymentClosed
    | PaymentWrittenOff
    | PaymentRequoted
    | PaymentSwept
    | RefundApproved
    | RefundDeclined
    | RefundLapsed
    | RefundSigned
    | RefundConfirmed
    | RefundFailed
)
"""The facts after which the ledger is looked at. A sighting moves nothing: coins are received in a block."""


async def post_ledger(fact: Moving, *, by: By, using: Bookkeeping) -> int:
    """Post every entry of the payment that is missing, up to its last fact; return how many were.

    The fact only wakes: entries are computed from the whole stream, and each has its place by payment and version. So
    whatever was delivered twice, late, out of order or never is made good by any later call, and calls at the same
    time post the same.
    """
    history = await using.ledger.history(fact.payment_id)
    return await using.ledger.post(list(entries(history)), by=by)
