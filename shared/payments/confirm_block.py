"""confirm_block: the only one to decide what is settled, final or reversed."""

from collections.abc import Sequence

from shared.kernel.decision import By
from shared.kernel.facts import Fact
from shared.payments import lifecycle
from shared.payments.facts import BlockScanned
from shared.payments.model import Payment
from shared.payments.ports import Payments


async def confirm_block(fact: BlockScanned, *, by: By, using: Payments) -> int:
    """Bring every payment of the chain in line with its present cursor; return how many changed.

    The fact only wakes: late, repeated or out of order, what counts is how far the chain is read now.
    """
    now = using.clock.now()

    def rule(payment: Payment, height: int, final_height: int) -> Sequence[Fact]:
        return lifecycle.confirm(payment, height=height, final_height=final_height, now=now)

    return await using.store.confirm(fact.chain, rule, by=by, now=now)
