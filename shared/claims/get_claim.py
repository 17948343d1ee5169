"""get_claim: the code a customer picks up with."""

from datetime import datetime

from shared.claims import lifecycle, tokens
from shared.claims.codes import grouped
from shared.claims.model import Claim, ClaimView
from shared.claims.ports import Claims
from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.ids import OrderId, UserId
from shared.kernel.reply import Reply


async def get_claim(order_id: OrderId, *, by: By, signer: tokens.ClaimSigner, using: Claims) -> Reply[ClaimView]:
    """Return the claim, with code and token while they are good for something, to the one who picks up.

    Raises NotFound, also for others' orders.
    """
    claim, code, version = await own_claim(order_id, by=by, using=using)
    view = shown(claim, code, signer=signer, now=using.clock.now())
    # No ETag: whether the code is shown hangs on the order too.
    return Reply(view, headers={"cache-control": "no-store", "consistency-token": f"1:{claim.claim_id}:{version}"})


def shown(
    claim: Claim, code: str | None = None, *, signer: tokens.ClaimSigner | None = None, now: datetime | None = None
) -> ClaimView:
    """Return what is shown of a claim: its code, and the token of the present, only where they are given."""
    view = ClaimView(
        claim_id=claim.claim_id,
        order_id=claim.order_id,
        shop_id=claim.shop_id,
        status=claim.status,
        holder_id=claim.holder_id,
        issued_at=claim.issued_at,
        redeemed_at=claim.redeemed_at,
    )
    if code is None or signer is None or now is None:
        return view
    token = tokens.token_of(claim.claim_id, claim.shop_id, claim.serial, now=now, signer=signer)
    ends, next_from = tokens.times(now)
    more = {"code": grouped(code), "token": token, "token_expires_at": ends, "refresh_at": next_from}
    return view.model_copy(update=more)


async def own_claim(order_id: OrderId, *, by: By, using: Claims) -> tuple[Claim, str | None, int]:
    """Return the caller's claim on the order, its code if that may be shown to them, and the claim's version."""
    found = await using.store.of_person(order_id, UserId(by.actor))
    order = await using.orders.standing(order_id) if found else None
    if found is None or order is None:
        raise NotFound("There is no code for such an order of yours; it comes when the payment has settled.")
    claim = found.state
    code = None
    if claim.shown_to == by.actor and lifecycle.showable(claim, order):
        code = using.codes.code(claim.claim_id, claim.serial)
    return claim, code, found.version
