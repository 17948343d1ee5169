"""POST /v1/shops/{shop_id}/payout/proofs: show that the shop's payout account is yours."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.shops import prove_payout as rule
from shared.shops.model import ShopPath
from shared.shops.payout import PayoutView, ProvePayout
from shared.wiring.edge import http_function
from shared.wiring.payout import payouts


@http_function
async def prove_payout(request: Request[ProvePayout, ShopPath]) -> Reply[PayoutView]:
    """POST /v1/shops/{shop_id}/payout/proofs: show that the shop's payout account is yours."""
    return await rule.prove_payout(request.params.shop_id, request.body, by=request.by, using=payouts())
