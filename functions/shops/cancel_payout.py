"""POST /v1/shops/{shop_id}/payout/changes/{change_id}/cancel: call off a payout account that is not in effect yet."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.shops import cancel_payout as rule
from shared.shops.payout import ChangePath, PayoutChangeView
from shared.wiring.edge import http_function
from shared.wiring.payout import payout_desk


@http_function
async def cancel_payout(request: Request[Nothing, ChangePath]) -> Reply[PayoutChangeView]:
    """POST /v1/shops/{shop_id}/payout/changes/{change_id}/cancel: call off an account that is not in effect yet."""
    named = request.params
    return await rule.cancel_payout(named.shop_id, named.change_id, by=request.by, using=payout_desk())
