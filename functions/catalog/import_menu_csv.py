"""PUT /v1/shops/{shop_id}/menu/csv: replace the whole menu by a table, as the export has it."""

from shared.catalog import import_menu_csv as rule
from shared.catalog.model import ImportMenuCsv, MenuChange, ShopPath
from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.wiring.catalog import catalog
from shared.wiring.edge import http_function


@http_function
async def import_menu_csv(request: Request[ImportMenuCsv, ShopPath]) -> Reply[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu/csv: replace the whole menu by a table, as the export has it."""
    return await rule.import_menu_csv(
        request.params.shop_id, request.body, if_match=request.if_match, by=request.by, using=catalog()
    )
