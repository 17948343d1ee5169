"""POST /v1/shops/{shop_id}/stock/receipts: take a delivery into stock."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.supply import receive_stock as rule
from shared.supply.model import ReceiptView, ReceiveStock, ShopPath
from shared.wiring.edge import http_function
from shared.wiring.supply import supply


@http_function
async def receive_stock(request: Request[ReceiveStock, ShopPath]) -> Reply[ReceiptView]:
    """POST /v1/shops/{shop_id}/stock/receipts: take a delivery into stock."""
    return await rule.receive_stock(request.params.shop_id, request.body, by=request.by, using=supply())
