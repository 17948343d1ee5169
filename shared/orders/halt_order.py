"""halt_order: the chain took a payment back, so its order waits until it settles again."""

from shared.kernel.decision import By
from shared.orders.confirm_order import follow_payment
from shared.orders.ports import Orders
from shared.payments.facts import PaymentReversed


async def halt_order(fact: PaymentReversed, *, by: By, using: Orders) -> None:
    """Halt the order if the payment is still reversed; after hand-over the loss is the ledger's, not the order's."""
    await follow_payment(fact, by=by, using=using)
