"""POST /v1/shops/{shop_id}/claims/redeem: hand an order over against its code, exactly once."""

from shared.claims import redeem_claim as rule
from shared.claims.model import RedeemClaim, Redeemed, ShopPath
from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.wiring.claims import checks, claims
from shared.wiring.edge import http_function


@http_function
async def redeem_claim(request: Request[RedeemClaim, ShopPath]) -> Reply[Redeemed]:
    """POST /v1/shops/{shop_id}/claims/redeem: hand an order over against its code, exactly once."""
    return await rule.redeem_claim(request.params.shop_id, request.body, by=request.by, checks=checks(), using=claims())
