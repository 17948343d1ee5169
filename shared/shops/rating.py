"""What customers think: values and rules of ratings. Pure. One rating an order, of what was handed over."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import Field

from shared.kernel.errors import Bug, Conflict, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, OrderId, RatingId, ShopId, UserId
from shared.kernel.money import Frozen
from shared.kernel.text import Note
from shared.shops.facts import ShopRated


class NotCompleted(Conflict):
    """Only who was handed something can say how it was."""

    type = "not-completed"
    title = "The order is not handed over yet"


class RateShop(Frozen):
    """What a customer thinks of an order. A later one replaces it."""

    stars: int = Field(ge=1, le=5, strict=True)
    comment: Note = ""


class OrderPath(Frozen):
    """Names one order."""

    order_id: OrderId


class ListRatings(Frozen):
    """Which ratings of a shop, those of the newest orders first."""

    shop_id: ShopId
    cursor: RatingId | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=20, ge=1, le=100)


class Rating(Frozen):
    """The state of a rating: the last fact of its stream, and one row of `ratings`."""

    rating_id: RatingId
    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    customer_id: UserId
    stars: int
    comment: str
    rated_at: datetime


class RatingView(Frozen):
    """A rating as everybody sees it: whose it is stays with the platform."""

    rating_id: RatingId
    stars: int
    comment: str
    rated_at: datetime


class RatingSummary(Frozen):
    """All ratings of a shop in one."""

    average: float = Field(description="Stars, to a tenth", examples=[4.6])
    count: int


class RatingPage(Frozen):
    """A page of ratings; `next` is the cursor of the following page, `summary` of all, absent where there are none."""

    summary: RatingSummary | None = None
    ratings: tuple[RatingView, ...]
    next: RatingId | None = None


@dataclass(frozen=True, slots=True)
class RatedOrder:
    """What a rating must know of its order."""

    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    customer_id: UserId
    completed: bool


def rate(
    order: RatedOrder | None, rating: Rating | None, command: RateShop, *, actor: str, now: datetime
) -> tuple[Fact, ...]:
    """Return the fact of a rating; none when it says what the present one says. Raises NotFound, NotCompleted."""
    if order is None or order.customer_id != actor:
        raise NotFound("There is no such order among yours.")
    if not order.completed:
        raise NotCompleted("Rate it when you have it.")
    if rating is not None and (rating.stars, rating.comment) == (command.stars, command.comment):
        return ()
    told = ShopRated(
        rating_id=RatingId.like(order.order_id),
        order_id=order.order_id,
        shop_id=order.shop_id,
        merchant_id=order.merchant_id,
        customer_id=order.customer_id,
        stars=command.stars,
        comment=command.comment,
        at=now,
    )
    return (told,)


def evolve(rating: Rating | None, fact: Fact) -> Rating:
    """Return the rating after `fact`, whatever it was before."""
    if not isinstance(fact, ShopRated):
        raise Bug(f"a rating does not know {fact.type}")
    return Rating(
        rating_id=fact.rating_id,
        order_id=fact.order_id,
        shop_id=fact.shop_id,
        merchant_id=fact.merchant_id,
        customer_id=fact.customer_id,
        stars=fact.stars,
        comment=fact.comment,
        rated_at=fact.at,
    )


def rating_view(rating: Rating) -> RatingView:
    """Return what everybody sees of a rating."""
    return RatingView(rating_id=rating.rating_id, stars=rating.stars, comment=rating.comment, rated_at=rating.rated_at)
