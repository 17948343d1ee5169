"""POST /v1/shops/{shop_id}/payout/changes/{change_id}/confirm: agree to an account that somebody else proposed."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.shops import confirm_payout as rule
from shared.shops.payout import ChangePath, ConfirmPayout, PayoutChangeView
from shared.wiring.edge import http_function
from shared.wiring.payout import payouts


@http_function
async def confirm_payout(request: Request[ConfirmPayout, ChangePath]) -> Reply[PayoutChangeView]:
    """POST /v1/shops/{shop_id}/payout/changes/{change_id}/confirm: agree to an account that somebody else proposed."""
    named = request.params
    return await rule.confirm_payout(named.shop_id, named.change_id, request.body, by=request.by, using=payouts())
