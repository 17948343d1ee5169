"""GET /v1/shops/{shop_id}/payout: a shop's payout accounts, and the changes of them."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.shops import get_payout_changes as rule
from shared.shops.model import ShopPath
from shared.shops.payout import PayoutView
from shared.wiring.edge import http_function
from shared.wiring.payout import payout_desk


@http_function
async def get_payout_changes(request: Request[Nothing, ShopPath]) -> Reply[PayoutView]:
    """GET /v1/shops/{shop_id}/payout: a shop's payout accounts, and the changes of them."""
    return await rule.get_payout_changes(request.params.shop_id, by=request.by, using=payout_desk())
