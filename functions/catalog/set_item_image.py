"""PUT /v1/shops/{shop_id}/menu/items/{item_id}/image: give the item the picture that was uploaded, or none."""

from shared.catalog import set_item_image as rule
from shared.catalog.image_model import SetItemImage
from shared.catalog.model import ItemPath, MenuChange
from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.wiring.edge import http_function
from shared.wiring.images import imaging


@http_function
async def set_item_image(request: Request[SetItemImage, ItemPath]) -> Reply[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu/items/{item_id}/image: give the item the picture that was uploaded, or none."""
    return await rule.set_item_image(
        request.params, request.body, if_match=request.if_match, by=request.by, using=imaging()
    )
