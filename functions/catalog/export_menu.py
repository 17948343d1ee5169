"""GET /v1/shops/{shop_id}/menu/export: the menu as JSON that can be imported, or as CSV."""

from shared.catalog import export_menu as rule
from shared.catalog.model import ExportMenu
from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wiring.catalog import catalog
from shared.wiring.edge import http_function


@http_function
async def export_menu(request: Request[Nothing, ExportMenu]) -> Reply[bytes]:
    """GET /v1/shops/{shop_id}/menu/export: the menu as JSON that can be imported, or as CSV."""
    return await rule.export_menu(request.params, by=request.by, using=catalog())
