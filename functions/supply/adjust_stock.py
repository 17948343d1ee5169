"""POST /v1/shops/{shop_id}/stock/adjustments: note what was counted, wasted, damaged, stolen or wrong."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.supply import adjust_stock as rule
from shared.supply.model import AdjustmentView, AdjustStock, ShopPath
from shared.wiring.edge import http_function
from shared.wiring.supply import supply


@http_function
async def adjust_stock(request: Request[AdjustStock, ShopPath]) -> Reply[AdjustmentView]:
    """POST /v1/shops/{shop_id}/stock/adjustments: note what was counted, wasted, damaged, stolen or wrong."""
    return await rule.adjust_stock(request.params.shop_id, request.body, by=request.by, using=supply())
