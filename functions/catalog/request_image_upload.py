"""POST /v1/shops/{shop_id}/menu/items/{item_id}/image-uploads: say where its picture may be uploaded to."""

from shared.catalog import request_image_upload as rule
from shared.catalog.model import ItemPath
from shared.edge.http import Request
from shared.kernel.pictures import ImageUpload, RequestImageUpload
from shared.kernel.reply import Reply
from shared.wiring.edge import http_function
from shared.wiring.images import imaging


@http_function
async def request_image_upload(request: Request[RequestImageUpload, ItemPath]) -> Reply[ImageUpload]:
    """POST /v1/shops/{shop_id}/menu/items/{item_id}/image-uploads: say where its picture may be uploaded to."""
    return await rule.request_image_upload(request.params, request.body, by=request.by, using=imaging())
