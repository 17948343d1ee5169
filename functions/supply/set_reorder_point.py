"""PUT /v1/shops/{shop_id}/stock/reorder-points: from which quantity downwards a SKU is low."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.supply import set_reorder_point as rule
from shared.supply.item_model import ReorderPointView, SetReorderPoint
from shared.supply.model import ShopPath
from shared.wiring.edge import http_function
from shared.wiring.supply import supply


@http_function
async def set_reorder_point(request: Request[SetReorderPoint, ShopPath]) -> Reply[ReorderPointView]:
    """PUT /v1/shops/{shop_id}/stock/reorder-points: from which quantity downwards a SKU is low."""
    return await rule.set_reorder_point(request.params.shop_id, request.body, by=request.by, using=supply())
