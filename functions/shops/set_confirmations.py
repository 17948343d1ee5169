"""PUT /v1/shops/{shop_id}/confirmations: how deep in the chain payments must be, and what is risked."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.shops import set_confirmations as rule
from shared.shops.model import OwnShopView, SetConfirmations, ShopPath
from shared.wiring.edge import http_function
from shared.wiring.shops import shops


@http_function
async def set_confirmations(request: Request[SetConfirmations, ShopPath]) -> Reply[OwnShopView]:
    """PUT /v1/shops/{shop_id}/confirmations: how deep in the chain payments must be, and what is risked."""
    return await rule.set_confirmations(
        request.params.shop_id, request.body, if_match=request.if_match, by=request.by, using=shops()
    )
