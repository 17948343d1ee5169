"""accept_sighting: settle what is only in the mempool where the shop takes that risk, and take it back at once."""

from collections.abc import Sequence

from shared.kernel.decision import By
from shared.kernel.facts import Fact
from shared.payments import lifecycle
from shared.payments.facts import PaymentExcluded, PaymentSeen
from shared.payments.model import Payment
from shared.payments.ports import Payments


async def accept_sighting(fact: PaymentSeen | PaymentExcluded, *, by: By, using: Payments) -> bool:
    """Settle the payment before its block, if its shop's loss cap bears it; return whether anything changed.

    A sighting that was replaced or double-spent is not waited for: what was settled on it is reversed here.
    """
    now = using.clock.now()

    def rule(payment: Payment, height: int) -> Sequence[Fact]:
        if payment.exposed:
            gone = lifecycle.promised(payment) < payment.enough
            return lifecycle.confirm(payment, height=height, final_height=-1, now=now) if gone else ()
        return lifecycle.accept(payment, height=height, now=now)

    return await using.store.expose(fact.payment_id, rule, by=by, now=now)
