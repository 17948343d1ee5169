"""PUT /v1/shops/{shop_id}/stock/availability: mark a SKU as sold out, or as there again."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.supply import set_sku_availability as rule
from shared.supply.item_model import SetSkuAvailability, SkuAvailabilityView
from shared.supply.model import ShopPath
from shared.wiring.edge import http_function
from shared.wiring.supply import supply


@http_function
async def set_sku_availability(request: Request[SetSkuAvailability, ShopPath]) -> Reply[SkuAvailabilityView]:
    """PUT /v1/shops/{shop_id}/stock/availability: mark a SKU as sold out, or as there again."""
    return await rule.set_sku_availability(request.params.shop_id, request.body, by=request.by, using=supply())
