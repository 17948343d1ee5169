"""get_claim: the code a customer picks up with."""

from shared.claims import lifecycle
from shared.claims.codes import grouped
from shared.claims.model import Claim, ClaimView
from shared.claims.ports import Claims
from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.ids import OrderId, UserId
from shared.kernel.reply import Reply


async def get_claim(order_id: OrderId, *, by: By, using: Claims) -> Reply[ClaimView]:
    """Return the claim, with its code while that is good for something. Raises NotFound, also for others' orders."""
    claim, code, version = await own_claim(order_id, by=by, using=using)
    view = ClaimView(
        claim_id=claim.claim_id,
        order_id=claim.order_id,
        shop_id=claim.shop_id,
        status=claim.status,
        code=grouped(code) if code else None,
        issued_at=claim.issued_at,
        redeemed_at=claim.redeemed_at,
    )
    # No ETag: whether the code is shown hangs on the order too.
    return Reply(view, headers={"cache-control": "no-store", "consistency-token": f"1:{claim.claim_id}:{version}"})


async def own_claim(order_id: OrderId, *, by: By, using: Claims) -> tuple[Claim, str | None, int]:
    """Return the caller's claim on the order, its code if that may be shown, and the claim's version."""
    found = await using.store.of_customer(order_id, UserId(by.actor))
    order = await using.orders.standing(order_id) if found else None
    if found is None or order is None:
        raise NotFound("There is no code for such an order of yours; it comes when the payment has settled.")
    code = using.codes.code(found.state.claim_id) if lifecycle.showable(found.state, order) else None
    return found.state, code, found.version
