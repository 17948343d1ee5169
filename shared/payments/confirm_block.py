"""confirm_block: the only one to decide what is settled, final or reversed."""

from collections.abc import Sequence
from datetime import datetime

from shared.kernel.decision import By
from shared.kernel.errors import Conflict, NotFound, Transient
from shared.kernel.facts import Fact
from shared.payments import lifecycle
from shared.payments.facts import BlockScanned, LateCover
from shared.payments.model import Payment
from shared.payments.ports import Confirming


async def confirm_block(fact: BlockScanned, *, by: By, using: Confirming) -> int:
    """Bring every payment of the chain in line with its present cursor; return how many changed.

    The fact only wakes: late, repeated or out of order, what counts is how far the chain is read now.
    """
    now = using.clock.now()
    costs = {
        payment.payment_id: await _costs(payment, now=now, using=using)
        for payment in await using.store.late(fact.chain)
    }

    def rule(payment: Payment, *, height: int, final_height: int, rival: bool) -> Sequence[Fact]:
        cover = costs.get(payment.payment_id)
        return lifecycle.confirm(payment, height=height, final_height=final_height, now=now, rival=rival, costs=cover)

    return await using.store.confirm(fact.chain, rule, by=by, now=now)


async def _costs(payment: Payment, *, now: datetime, using: Confirming) -> LateCover | None:
    """Return what the payment's order costs in its asset now; None without a price, and late coins wait for one."""
    try:
        quoted = payment.quote
        locked = await using.quotes.lock(quoted.price, payment.asset, spread_bp=quoted.spread_bp or 0)
    except (Transient, Conflict, NotFound):
        return None
    return LateCover(costs=locked.amount.units, rate=locked.rate, feeds=locked.feeds, at=now)
