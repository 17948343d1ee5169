"""confirm_order: a payment settled, so its order is confirmed, or goes on after a reversal."""

from shared.kernel.decision import By, Decided, Guard
from shared.orders import lifecycle
from shared.orders.model import Order
from shared.orders.ports import Orders
from shared.payments.facts import PaymentReversed, PaymentSettled


async def confirm_order(fact: PaymentSettled, *, by: By, using: Orders) -> None:
    """Confirm or resume the order if the payment still stands settled, guarded by the payment's version."""
    await follow_payment(fact, by=by, using=using)


async def follow_payment(fact: PaymentSettled | PaymentReversed, *, by: By, using: Orders) -> None:
    """Bring the order in line with its payment's present standing, whichever fact woke us and however late."""
    now = using.clock.now()

    async def rule(order: Order | None) -> Decided:
        standing = await using.payments.standing(fact.payment_id)
        step = lifecycle.confirm if standing.settled else lifecycle.halt
        facts = step(order, fact.payment_id, settled=standing.settled, now=now)
        return Decided(facts, guard=Guard("payments", fact.payment_id, standing.version))

    await using.store.decide(fact.order_id, rule, by=by, now=now)
