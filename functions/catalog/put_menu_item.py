"""PUT /v1/shops/{shop_id}/menu/items/{item_id}: add an item to the menu, or replace it."""

from shared.catalog import put_menu_item as rule
from shared.catalog.model import ItemPath, MenuChange, PutMenuItem
from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.wiring.catalog import catalog
from shared.wiring.edge import http_function


@http_function
async def put_menu_item(request: Request[PutMenuItem, ItemPath]) -> Reply[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu/items/{item_id}: add an item to the menu, or replace it."""
    return await rule.put_menu_item(
        request.params, request.body, if_match=request.if_match, by=request.by, using=catalog()
    )
