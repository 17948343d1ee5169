"""Published facts of claims. No code ever stands in a fact."""

from datetime import datetime
from typing import ClassVar

from shared.kernel.facts import Fact
from shared.kernel.ids import ClaimId, MerchantId, OrderId, ShopId, UserId


class ClaimFact(Fact):
    """What every fact of a claim says."""

    type: ClassVar = "claim.any.v1"
    claim_id: ClaimId
    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    customer_id: UserId
    at: datetime


class ClaimIssued(ClaimFact):
    """The customer may now pick up, with the code that `get_claim` shows."""

    type: ClassVar = "claim.issued.v1"
    code_hash: str


class ClaimDelegated(ClaimFact):
    """The customer let somebody else pick up, or took a new code; the code before it is good for nothing."""

    type: ClassVar = "claim.delegated.v1"
    holder_id: UserId
    """Who is shown the new code."""
    serial: int
    code_hash: str


class ClaimRevoked(ClaimFact):
    """The code is good for nothing; the customer may take a new one."""

    type: ClassVar = "claim.revoked.v1"
    serial: int
    code_hash: str
    """Of a code that is never shown: the column is never empty."""
    revoked_by: str


class ClaimRedeemed(ClaimFact):
    """The order was handed over against the code; `attempt_id` names the attempt that won."""

    type: ClassVar = "claim.redeemed.v1"
    attempt_id: str
    redeemed_by: str
    serial: int = 0
