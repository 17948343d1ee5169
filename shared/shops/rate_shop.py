"""rate_shop: a customer says what they think of an order that was handed over."""

from shared.kernel.decision import By, Decided, Stored
from shared.kernel.ids import OrderId, RatingId
from shared.kernel.reply import Reply
from shared.shops.ports import Ratings
from shared.shops.rating import RateShop, Rating, RatingView, rate, rating_view


async def rate_shop(order_id: OrderId, command: RateShop, *, by: By, using: Ratings) -> Reply[RatingView]:
    """Return the rating; another one of the same order replaces it. The shop's sum follows in the same commit.

    Raises NotFound, NotCompleted, AlreadyAnswered, VersionConflict.
    """
    now = using.clock.now()
    order = await using.store.order(order_id)

    def rule(rating: Rating | None) -> Decided:
        told = rate(order, rating, command, actor=by.actor, now=now)
        return Decided(told, params={"stars_before": rating.stars if rating else 0})

    def shown(stored: Stored[Rating]) -> Reply[RatingView]:
        return Reply(rating_view(stored.state), version=stored.version, stream=stored.state.rating_id)

    return shown(await using.store.decide(RatingId.like(order_id), rule, by=by, now=now, reply=shown))
