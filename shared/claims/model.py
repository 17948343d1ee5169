"""Values of claims: what a customer is shown, what staff send, what is kept."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from shared.kernel.ids import ClaimId, MerchantId, OrderId, ShopId, UserId
from shared.kernel.money import Frozen


class ClaimStatus(StrEnum):
    """issued → redeemed. No other way."""

    ISSUED = "issued"
    REDEEMED = "redeemed"


class Claim(Frozen):
    """The state of a claim: a pure fold of its facts, and one row of `claims`. Never the code itself."""

    claim_id: ClaimId
    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    customer_id: UserId
    status: ClaimStatus
    code_hash: str = Field(repr=False)
    issued_at: datetime
    redeemed_at: datetime | None = None
    redeemed_by: str | None = None
    attempt_id: str | None = None


class OrderPath(Frozen):
    """The order whose claim is meant."""

    order_id: OrderId


class QrPath(OrderPath):
    """The order whose claim is meant, and how the picture is wanted."""

    format: Literal["svg", "png"] = "svg"


class ShopPath(Frozen):
    """The shop that hands out."""

    shop_id: ShopId


class ClaimView(Frozen):
    """A claim as its customer sees it. `code` is there while the order can still be picked up with it."""

    claim_id: ClaimId
    order_id: OrderId
    shop_id: ShopId
    status: ClaimStatus
    code: str | None = Field(default=None, repr=False, examples=["7K3FQ-XM9TA"])
    issued_at: datetime
    redeemed_at: datetime | None = None


AttemptId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{8,64}$", strict=True)]


class RedeemClaim(Frozen):
    """A code as the customer said or showed it, and the name of this attempt: the same when it is repeated."""

    code: str = Field(min_length=1, max_length=32, strict=True, repr=False, description="Hyphens and case don't matter")
    attempt_id: AttemptId = Field(description="Fresh and random for every hand-over; kept for repeats of it")


class Redeemed(Frozen):
    """What staff are told: hand this order over now."""

    claim_id: ClaimId
    order_id: OrderId
    shop_id: ShopId
    attempt_id: str
    redeemed_at: datetime
    redeemed_by: str
