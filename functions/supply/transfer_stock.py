"""POST /v1/shops/{shop_id}/stock/transfers: send goods to another location of the same merchant."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.supply import transfer_stock as rule
from shared.supply.model import ShopPath, TransferStock, TransferView
from shared.wiring.edge import http_function
from shared.wiring.supply import supply


@http_function
async def transfer_stock(request: Request[TransferStock, ShopPath]) -> Reply[TransferView]:
    """POST /v1/shops/{shop_id}/stock/transfers: send goods to another location of the same merchant."""
    return await rule.transfer_stock(request.params.shop_id, request.body, by=request.by, using=supply())
