"""POST /v1/shops/{shop_id}/payout/challenges: the message that a payout account's wallet is to sign."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.shops import request_payout_challenge as rule
from shared.shops.model import ShopPath
from shared.shops.payout import ChallengeView, RequestPayoutChallenge
from shared.wiring.edge import http_function
from shared.wiring.payout import payouts


@http_function
async def request_payout_challenge(request: Request[RequestPayoutChallenge, ShopPath]) -> Reply[ChallengeView]:
    """POST /v1/shops/{shop_id}/payout/challenges: the message that a payout account's wallet is to sign."""
    return await rule.request_payout_challenge(request.params.shop_id, request.body, by=request.by, using=payouts())
