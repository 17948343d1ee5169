"""write_off_payment: the goods are handed over and the chain took the payment back: the loss is posted, loudly."""

from collections.abc import Sequence

from shared.kernel.decision import By
from shared.kernel.facts import Fact
from shared.orders.facts import OrderCompleted
from shared.payments import lifecycle
from shared.payments.facts import PaymentReversed
from shared.payments.model import Payment
from shared.payments.ports import OrderStanding, Payments


async def write_off_payment(fact: PaymentReversed | OrderCompleted, *, by: By, using: Payments) -> int:
    """Write off what a completed order was confirmed by and lost; return how many payments were.

    Hand-over and reversal may come in any order: whichever is told last finds both. A write-off settles again
    whenever the coins come back, however late.
    """
    now = using.clock.now()

    def rule(order: OrderStanding, payment: Payment) -> Sequence[Fact]:
        handed_over = order.status == "completed" and order.payment_id == payment.payment_id
        return lifecycle.write_off(payment, now=now) if handed_over else ()

    return await using.store.follow(fact.order_id, rule, by=by, now=now)
