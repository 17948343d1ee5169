"""Values of claims: what a customer is shown, what staff send, what is kept."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.kernel.ids import ClaimId, MerchantId, OrderId, ShopId, UserId
from shared.kernel.money import Frozen


class ClaimStatus(StrEnum):
    """issued → redeemed; issued ⇄ revoked. No other way."""

    ISSUED = "issued"
    REVOKED = "revoked"
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
    serial: int = 0
    """How often the code was replaced."""
    holder_id: UserId | None = None
    """Whom the customer lets pick up; None: nobody else."""

    @property
    def shown_to(self) -> UserId:
        """Return who is shown the code."""
        return self.holder_id or self.customer_id


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
    """A claim as its customer, and whom they let pick up, see it.

    `code` and `token` are there for the one who picks up, while the order can still be picked up with them.
    """

    claim_id: ClaimId
    order_id: OrderId
    shop_id: ShopId
    status: ClaimStatus
    code: str | None = Field(default=None, repr=False, examples=["7K3FQ-XM9TA"])
    token: str | None = Field(default=None, repr=False, description="What the QR code says: signed, good for a minute")
    token_expires_at: datetime | None = None
    refresh_at: datetime | None = Field(default=None, description="From when there is a newer token")
    holder_id: UserId | None = Field(default=None, description="Who picks up instead of the customer")
    issued_at: datetime
    redeemed_at: datetime | None = None


class DelegateClaim(Frozen):
    """Who shall pick up; nobody named: the customer, with a new code."""

    to: UserId | None = None


class ClaimKey(Frozen):
    """A public key as a JWK (RFC 8037)."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    use: Literal["sig"] = "sig"
    alg: Literal["EdDSA"] = "EdDSA"
    kid: str = Field(description="What tokens name it by: the beginning of its JWK thumbprint (RFC 7638)")
    x: str = Field(description="The key, 32 bytes in base64url")


class ClaimKeyView(Frozen):
    """The keys that verify claim tokens, as a JWK set; the first one signs."""

    keys: tuple[ClaimKey, ...]


AttemptId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{8,64}$", strict=True)]


class RedeemClaim(Frozen):
    """A code as the customer said it, or the token of their QR code; and the name of this attempt."""

    code: str | None = Field(
        default=None, min_length=1, max_length=32, strict=True, repr=False, description="Hyphens and case don't matter"
    )
    token: str | None = Field(default=None, min_length=1, max_length=512, strict=True, repr=False)
    attempt_id: AttemptId = Field(description="Fresh and random for every hand-over; kept for repeats of it")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.code is None) == (self.token is None):
            raise ValueError("send the code or the token, one of both")
        return self


class Redeemed(Frozen):
    """What staff are told: hand this order over now."""

    claim_id: ClaimId
    order_id: OrderId
    shop_id: ShopId
    attempt_id: str
    redeemed_at: datetime
    redeemed_by: str
