"""PUT /v1/shops/{shop_id}/menu: replace the whole menu."""

from shared.catalog import import_menu as rule
from shared.catalog.model import ImportMenu, MenuChange, ShopPath
from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.wiring.catalog import catalog
from shared.wiring.edge import http_function


@http_function
async def import_menu(request: Request[ImportMenu, ShopPath]) -> Reply[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu: replace the whole menu."""
    return await rule.import_menu(
        request.params.shop_id, request.body, if_match=request.if_match, by=request.by, using=catalog()
    )
