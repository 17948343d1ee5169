"""complete_order: the claim was redeemed, so the order is complete."""

from shared.claims.facts import ClaimRedeemed
from shared.kernel.decision import By
from shared.orders import lifecycle
from shared.orders.ports import Orders


async def complete_order(fact: ClaimRedeemed, *, by: By, using: Orders) -> None:
    """Complete the order once; a claim is redeemed for ready orders only, which the redemption itself guarded."""
    now = using.clock.now()
    await using.store.decide(fact.order_id, lambda order: lifecycle.complete(order, now=now), by=by, now=now)
