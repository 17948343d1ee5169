"""close_payment: an order was called off, so whatever was or will be paid for it is its customer's to have back."""

from collections.abc import Sequence

from shared.kernel.decision import By
from shared.kernel.facts import Fact
from shared.orders.facts import OrderCancelled
from shared.payments import lifecycle
from shared.payments.model import Payment
from shared.payments.ports import OrderStanding, Payments


async def close_payment(fact: OrderCancelled, *, by: By, using: Payments) -> int:
    """Close every payment of the order, settled or not; return how many were. Their addresses stay watched."""
    now = using.clock.now()

    def rule(order: OrderStanding, payment: Payment) -> Sequence[Fact]:
        return lifecycle.close(payment, now=now) if order.status == "cancelled" else ()

    return await using.store.follow(fact.order_id, rule, by=by, now=now)
