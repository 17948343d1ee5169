"""PUT /v1/shops/{shop_id}/discounts/{discount_id}: give a discount, or give it otherwise."""

from shared.catalog import put_discount as rule
from shared.catalog.discount_model import DiscountPath, DiscountView, PutDiscount
from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.wiring.discounts import discounting
from shared.wiring.edge import http_function


@http_function
async def put_discount(request: Request[PutDiscount, DiscountPath]) -> Reply[DiscountView]:
    """PUT /v1/shops/{shop_id}/discounts/{discount_id}: give a discount, or give it otherwise."""
    return await rule.put_discount(
        request.params, request.body, if_match=request.if_match, by=request.by, using=discounting()
    )
