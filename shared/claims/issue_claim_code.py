"""issue_claim_code: the order is paid, so its customer gets the right to pick it up."""

from shared.claims import lifecycle
from shared.claims.ports import Claims
from shared.kernel.decision import By
from shared.kernel.ids import ClaimId
from shared.orders.facts import OrderConfirmed


async def issue_claim_code(fact: OrderConfirmed, *, by: By, using: Claims) -> None:
    """Issue the claim of the order, once. An order that was called off meanwhile gets none.

    The order's row is not guarded: a claim for an order that is called off right now can't be redeemed anyway.
    """
    now = using.clock.now()
    claim_id = ClaimId.like(fact.order_id)
    order = await using.orders.standing(fact.order_id)
    found = await using.store.load(claim_id)
    if order is None:
        await using.store.take(by)
        return
    code_hash = using.codes.hash(order.shop_id, using.codes.code(claim_id))
    if not lifecycle.issue(found.state if found else None, order, code_hash=code_hash, now=now):
        await using.store.take(by)
        return
    await using.store.decide(
        claim_id,
        lambda claim: lifecycle.issue(claim, order, code_hash=code_hash, now=now),
        by=by,
        now=now,
    )
