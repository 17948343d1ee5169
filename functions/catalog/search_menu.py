"""GET /v1/shops/{shop_id}/menu/search: find items of a menu, typos forgiven."""

from shared.catalog import search_menu as rule
from shared.catalog.model import SearchMenu, SearchView
from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wiring.catalog import catalog
from shared.wiring.edge import http_function


@http_function
async def search_menu(request: Request[Nothing, SearchMenu]) -> Reply[SearchView]:
    """GET /v1/shops/{shop_id}/menu/search: find items of a menu, typos forgiven."""
    return await rule.search_menu(request.params, using=catalog())
