"""expire_order: nobody paid in time; the stock is released by the fact."""

from shared.kernel.decision import By
from shared.orders import lifecycle
from shared.orders.ports import Orders
from shared.payments.facts import PaymentExpired


async def expire_order(fact: PaymentExpired, *, by: By, using: Orders) -> None:
    """Expire the order if it is still pending; one that was paid or called off stays as it is."""
    now = using.clock.now()
    await using.store.decide(fact.order_id, lambda order: lifecycle.expire(order, now=now), by=by, now=now)
