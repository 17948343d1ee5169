"""PUT /v1/shops/{shop_id}/photos: show the shop by these pictures."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.shops import set_photos as rule
from shared.shops.model import OwnShopView, SetPhotos, ShopPath
from shared.wiring.edge import http_function
from shared.wiring.photos import photographing


@http_function
async def set_photos(request: Request[SetPhotos, ShopPath]) -> Reply[OwnShopView]:
    """PUT /v1/shops/{shop_id}/photos: show the shop by these pictures."""
    return await rule.set_photos(
        request.params.shop_id, request.body, if_match=request.if_match, by=request.by, using=photographing()
    )
