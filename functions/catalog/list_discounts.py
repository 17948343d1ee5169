"""GET /v1/shops/{shop_id}/discounts: what the shop gives off, and how often that was used."""

from shared.catalog import list_discounts as rule
from shared.catalog.discount_model import DiscountPage, ListDiscounts
from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wiring.discounts import discounting
from shared.wiring.edge import http_function


@http_function
async def list_discounts(request: Request[Nothing, ListDiscounts]) -> Reply[DiscountPage]:
    """GET /v1/shops/{shop_id}/discounts: what the shop gives off, and how often that was used."""
    return await rule.list_discounts(request.params, by=request.by, using=discounting())
