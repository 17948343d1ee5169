"""POST /v1/shops/{shop_id}/photo-uploads: say where a picture of the shop may be uploaded to."""

from shared.edge.http import Request
from shared.kernel.pictures import ImageUpload, RequestImageUpload
from shared.kernel.reply import Reply
from shared.shops import request_photo_upload as rule
from shared.shops.model import ShopPath
from shared.wiring.edge import http_function
from shared.wiring.photos import photographing


@http_function
async def request_photo_upload(request: Request[RequestImageUpload, ShopPath]) -> Reply[ImageUpload]:
    """POST /v1/shops/{shop_id}/photo-uploads: say where a picture of the shop may be uploaded to."""
    return await rule.request_photo_upload(request.params.shop_id, request.body, by=request.by, using=photographing())
