"""GET /v1/shops/{shop_id}/ratings: what customers think of a shop."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.shops import list_ratings as rule
from shared.shops.rating import ListRatings, RatingPage
from shared.wiring.edge import http_function
from shared.wiring.shops import ratings


@http_function
async def list_ratings(request: Request[Nothing, ListRatings]) -> Reply[RatingPage]:
    """GET /v1/shops/{shop_id}/ratings: what customers think of a shop."""
    return await rule.list_ratings(request.params, using=ratings())
