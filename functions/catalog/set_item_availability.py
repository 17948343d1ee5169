"""PUT /v1/shops/{shop_id}/menu/items/{item_id}/availability: mark an item as sold out, or as there again."""

from shared.catalog import set_item_availability as rule
from shared.catalog.model import ItemPath, MenuChange, SetItemAvailability
from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.wiring.catalog import catalog
from shared.wiring.edge import http_function


@http_function
async def set_item_availability(request: Request[SetItemAvailability, ItemPath]) -> Reply[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu/items/{item_id}/availability: mark an item as sold out, or as there again."""
    return await rule.set_item_availability(
        request.params, request.body, if_match=request.if_match, by=request.by, using=catalog()
    )
