"""expire_unpaid_orders: let orders go for which no payment was ever requested.

Orders with a payment expire with it, and only with it: see expire_order. No payment can be requested after `pay_by`
(its statement compares the database's clock), and statements end within seconds, so a minute later none is under way.
"""

from typing import Final

from shared.kernel.decision import By
from shared.kernel.errors import Transient
from shared.orders import lifecycle
from shared.orders.ports import Orders

BATCH: Final = 200


async def expire_unpaid_orders(*, by: By, using: Orders) -> int:
    """Expire up to 200 such orders and return how many. One that can't be expired keeps no other from it.

    What went wrong is raised in the end; the next tick tries again.
    """
    now = using.clock.now()
    due = await using.store.unpaid(limit=BATCH)
    failures: list[Exception] = []
    for order_id in due:
        try:
            await using.store.decide(order_id, lambda order: lifecycle.expire(order, now=now), by=by, now=now)
        except Transient:
            raise  # the others would fare no better now
        except Exception as error:  # noqa: BLE001  # raised below
            failures.append(error)
    if failures:
        raise failures[0]
    return len(due)
