"""What a shop checks of a QR code while offline: who signed it, for which shop, and whether its minute is over."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

from shared.claims.tokens import SignedBy, Token, named
from shared.kernel.ids import OrderId, ShopId


class Verdict(IntEnum):
    """The exit codes of the command."""

    GENUINE = 0
    FORGED = 1
    UNREADABLE = 2
    NO_KEY = 3
    EXPIRED = 4
    ELSEWHERE = 5


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict, and what the token says."""

    verdict: Verdict
    order_id: OrderId
    shop_id: ShopId
    issued_at: datetime
    expires_at: datetime


def judge(
    token: Token, keys: Mapping[str, bytes], *, signed_by: SignedBy, now: datetime, shop_id: ShopId | None = None
) -> Judged:
    """Return what is to be held of a token. GENUINE does not say that nobody picked up: only the platform knows that.

    `shop_id`: where it is shown; None does not ask.
    """
    return Judged(
        verdict=_verdict(token, keys, signed_by, now, shop_id),
        order_id=OrderId.like(token.claim_id),
        shop_id=token.shop_id,
        issued_at=datetime.fromtimestamp(token.issued_at, UTC),
        expires_at=datetime.fromtimestamp(token.expires_at, UTC),
    )


def _verdict(
    token: Token, keys: Mapping[str, bytes], signed_by: SignedBy, now: datetime, shop_id: ShopId | None
) -> Verdict:
    if not named(keys, token.key_id):
        return Verdict.NO_KEY
    if not token.made_by(keys, signed_by):
        return Verdict.FORGED
    if shop_id is not None and token.shop_id != shop_id:
        return Verdict.ELSEWHERE
    return Verdict.GENUINE if token.good_at(now) else Verdict.EXPIRED
