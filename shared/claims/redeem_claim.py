"""redeem_claim: staff hand an order over against its code, exactly once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.claims import lifecycle
from shared.claims.codes import Codes, normalised
from shared.claims.model import Claim, RedeemClaim, Redeemed
from shared.claims.ports import Claims
from shared.claims.tokens import SignedBy, Unreadable, read
from shared.kernel.decision import By, Decided, Guard
from shared.kernel.errors import Bug, NotFound
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply

_NO_CODE: Final = ""


@dataclass(frozen=True, slots=True)
class Checks:
    """What tells a genuine token."""

    public_keys: Mapping[str, bytes]
    signed_by: SignedBy


async def redeem_claim(
    shop_id: ShopId, command: RedeemClaim, *, by: By, checks: Checks, using: Claims
) -> Reply[Redeemed]:
    """Return what to hand over; the same attempt is told the same again.

    A token is only another way to say a code: what limits and finds codes holds for it. The hand-over is one statement:
    the claim's row under its version, the order's row locked under its own, facts and outbox. Raises WrongCode,
    StaleToken, AlreadyRedeemed, NotReady, TooMany, VersionConflict, Transient (unknown: repeat it).
    """
    if by.merchant_id is None:
        raise NotFound("There is no such shop.")
    now = using.clock.now()
    code, stale = _said(command, shop_id, checks, using.codes, now)
    code_hash = using.codes.hash(shop_id, code)
    claim_id = await using.store.with_code(shop_id, by.merchant_id, code_hash, by=by)
    if claim_id is None:
        raise lifecycle.WrongCode

    async def rule(claim: Claim | None) -> Decided:
        if claim is None or not using.codes.shows(claim.code_hash, shop_id, code):
            raise lifecycle.WrongCode  # it was replaced since it was found
        order = await using.orders.standing(claim.order_id)
        facts = lifecycle.redeem(claim, order, attempt_id=command.attempt_id, by=by, now=now, stale=stale)
        return Decided(facts, guard=Guard("orders", claim.order_id, order.version) if order else None)

    stored = await using.store.decide(claim_id, rule, by=by, now=now)
    return told(stored.state, stored.version)


def _said(command: RedeemClaim, shop_id: ShopId, checks: Checks, codes: Codes, now: datetime) -> tuple[str, bool]:
    """Return the code that was sent or that a token stands for, and whether the token's time is over.

    A token that nobody here signed, or for another shop, stands for a code that no claim has.
    """
    if command.code is not None:
        return normalised(command.code), False
    try:
        token = read(command.token or "")
    except Unreadable:
        return _NO_CODE, False
    if token.shop_id != shop_id or not token.made_by(checks.public_keys, checks.signed_by):
        return _NO_CODE, False
    return codes.code(token.claim_id, token.serial), not token.good_at(now)


def told(claim: Claim, version: int) -> Reply[Redeemed]:
    """Return what staff are told of a claim that was redeemed."""
    if claim.redeemed_at is None or claim.redeemed_by is None or claim.attempt_id is None:
        raise Bug(f"{claim.claim_id} was redeemed and does not say how")
    view = Redeemed(
        claim_id=claim.claim_id,
        order_id=claim.order_id,
        shop_id=claim.shop_id,
        attempt_id=claim.attempt_id,
        redeemed_at=claim.redeemed_at,
        redeemed_by=claim.redeemed_by,
    )
    return Reply(view, version=version, stream=claim.claim_id)
