"""GET /v1/shops/{shop_id}/menu: what is sold, at fiat prices and live prices in coins."""

from shared.catalog import get_menu as rule
from shared.catalog.model import MenuView, ShopPath
from shared.edge.http import Encoded, Nothing, Request
from shared.kernel.reply import Reply
from shared.wiring.catalog import catalog
from shared.wiring.edge import http_function


@http_function
async def get_menu(request: Request[Nothing, ShopPath]) -> Reply[Encoded[MenuView]]:
    """GET /v1/shops/{shop_id}/menu: what is sold, at fiat prices and live prices in coins."""
    return await rule.get_menu(request.params.shop_id, using=catalog())
