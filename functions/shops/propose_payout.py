"""POST /v1/shops/{shop_id}/payout/changes: propose another payout account, and show that it is yours."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.shops import propose_payout as rule
from shared.shops.model import ShopPath
from shared.shops.payout import PayoutChangeView, ProposePayout
from shared.wiring.edge import http_function
from shared.wiring.payout import payouts


@http_function
async def propose_payout(request: Request[ProposePayout, ShopPath]) -> Reply[PayoutChangeView]:
    """POST /v1/shops/{shop_id}/payout/changes: propose another payout account, and show that it is yours."""
    return await rule.propose_payout(request.params.shop_id, request.body, by=request.by, using=payouts())
