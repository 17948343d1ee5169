"""expire_order: nobody paid in time, or what was paid is gone for good; the stock is released by the fact."""

from collections.abc import Sequence

from shared.kernel.decision import By
from shared.kernel.facts import Fact
from shared.orders import lifecycle
from shared.orders.model import Order
from shared.orders.ports import Orders
from shared.payments.facts import PaymentExpired


async def expire_order(fact: PaymentExpired, *, by: By, using: Orders) -> None:
    """Expire the order if it is still pending and no other payment of it may settle; let go of one that was halted.

    The last of an order's payments to expire finds no other open one. One that was paid or called off stays as it is.
    """
    now = using.clock.now()

    async def rule(order: Order | None) -> Sequence[Fact]:
        standing = await using.payments.standing(fact.payment_id)
        if standing.settled or standing.others_open:
            return ()
        return lifecycle.expire(order, now=now)

    await using.store.decide(fact.order_id, rule, by=by, now=now)
