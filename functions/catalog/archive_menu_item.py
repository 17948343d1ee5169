"""DELETE /v1/shops/{shop_id}/menu/items/{item_id}: sell an item no more."""

from shared.catalog import archive_menu_item as rule
from shared.catalog.model import ItemPath, MenuChange
from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wiring.catalog import catalog
from shared.wiring.edge import http_function


@http_function
async def archive_menu_item(request: Request[Nothing, ItemPath]) -> Reply[MenuChange]:
    """DELETE /v1/shops/{shop_id}/menu/items/{item_id}: sell an item no more."""
    return await rule.archive_menu_item(request.params, if_match=request.if_match, by=request.by, using=catalog())
