"""Values of refunds that their facts carry."""

from enum import StrEnum

from pydantic import Field

from shared.kernel.money import Frozen


class RefundRate(StrEnum):
    """How many coins a refund is: as many as came, or what they were worth then at the rate of now."""

    COINS = "coins"
    FIAT_NOW = "fiat_now"


class RefundDelay(StrEnum):
    """What an approved refund waits for."""

    NOT_FINAL = "not_final"
    COINS_GONE = "coins_gone"
    WALLET_SHORT = "wallet_short"
    FEE_TOO_HIGH = "fee_too_high"
    REFUSED = "refused"
    FAILED = "failed"


class RefundLine(Frozen):
    """So many of a line of the order, counted from 0."""

    line: int = Field(ge=0, lt=50, strict=True)
    quantity: int = Field(default=1, ge=1, le=100, strict=True)
