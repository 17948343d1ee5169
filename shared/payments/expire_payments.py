"""expire_payments: let go of what nobody paid, where chain and mempool prove it."""

from collections.abc import Sequence
from datetime import datetime

from shared.kernel.decision import By
from shared.kernel.facts import Fact
from shared.payments import lifecycle
from shared.payments.model import Payment
from shared.payments.ports import Payments


async def expire_payments(*, by: By, using: Payments) -> int:
    """Expire what is over and return how many; while a chain is not read up to the deadline, nothing on it expires."""
    now = using.clock.now()

    def rule(payment: Payment, proven: datetime) -> Sequence[Fact]:
        return lifecycle.expire(payment, proven=proven, now=now)

    return await using.store.expire(rule, by=by, now=now)
