"""list_ratings: what customers think of a shop, for everybody to read."""

from shared.kernel.errors import NotFound
from shared.kernel.reply import Reply
from shared.shops.ports import Ratings
from shared.shops.rating import ListRatings, RatingPage, rating_view


async def list_ratings(asked: ListRatings, *, using: Ratings) -> Reply[RatingPage]:
    """Return a page of ratings, those of the newest orders first, and the sum of all. Raises NotFound."""
    found = await using.store.of_shop(asked.shop_id, before=asked.cursor, limit=asked.limit)
    if found is None:
        raise NotFound("There is no such shop.")
    summary, ratings, after = found
    return Reply(RatingPage(summary=summary, ratings=tuple(rating_view(each) for each in ratings), next=after))
