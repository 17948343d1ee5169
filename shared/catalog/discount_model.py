"""Values of discounts: what a merchant sends, what is kept, what is shown."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from shared.catalog.facts import Discount
from shared.catalog.model import Price, Scoped
from shared.kernel.ids import DiscountId, DiscountUseId, MerchantId, OrderId, ShopId
from shared.kernel.money import Currency, Frozen
from shared.kernel.text import Label

MAX_DISCOUNTS: Final = 200
"""Of one shop."""
Code = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Z0-9][A-Z0-9-]{2,31}$")]
"""3 to 32 capital letters, digits and hyphens; customers may write it in small letters."""


class PutDiscount(Scoped):
    """A discount as it shall be: `rate_bp` of what its items cost, or an `amount` off it.

    Without a `code` every order gets it that may; of several the one that is worth most.
    """

    name: Label
    code: Code | None = None
    rate_bp: int | None = Field(default=None, ge=1, le=10_000, strict=True, description="In 0.01 %")
    amount: Price | None = Field(default=None, description="In minor units of the shop's currency")
    minimum: Price = Field(default=0, description="As much must its items cost together")
    maximum: Price | None = Field(default=None, description="Of a rate: no more than this is taken off")
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    uses: int | None = Field(default=None, ge=1, le=10**9, strict=True, description="How many orders may have it")
    active: bool = True

    @model_validator(mode="after")
    def _makes_sense(self) -> "PutDiscount":
        if (self.rate_bp is None) == (self.amount is None):
            raise ValueError("either `rate_bp` or `amount`")
        if self.amount == 0 or self.maximum == 0:
            raise ValueError("a discount takes something off")
        if self.maximum is not None and self.rate_bp is None:
            raise ValueError("`maximum` is for a rate")
        if self.starts_at is not None and self.ends_at is not None and self.starts_at >= self.ends_at:
            raise ValueError("it starts before it ends")
        return self

    def discount(self, discount_id: DiscountId) -> Discount:
        """Return it as a fact carries it."""
        return Discount(discount_id=discount_id, **dict(self))


class DiscountPath(Frozen):
    """Names one discount of a shop; whoever adds it makes its id, a UUIDv7."""

    shop_id: ShopId
    discount_id: DiscountId


class ListDiscounts(Frozen):
    """Which part of a shop's discounts."""

    shop_id: ShopId
    cursor: DiscountId | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=100)


class KeptDiscount(Frozen):
    """The state of a discount: a pure fold of its facts, one row of `discounts`."""

    discount_id: DiscountId
    shop_id: ShopId
    merchant_id: MerchantId
    currency: Currency
    discount: Discount


class UseState(StrEnum):
    """used → returned. No other way."""

    USED = "used"
    RETURNED = "returned"


class DiscountUse(Frozen):
    """The discount that an order has: one row of `discount_uses`, laid by the order's own commit at version 0."""

    use_id: DiscountUseId
    order_id: OrderId
    discount_id: DiscountId
    shop_id: ShopId
    merchant_id: MerchantId
    state: UseState


class DiscountView(Discount):
    """A discount as its merchant sees it."""

    shop_id: ShopId
    currency: Currency
    version: int
    used: int | None = Field(default=None, description="Orders that have it, not counting those that came to nothing")


class DiscountPage(Frozen):
    """A page of a shop's discounts by id; `next` is the cursor of the following page."""

    discounts: tuple[DiscountView, ...]
    next: str | None = None
