"""GET /v1/orders/{order_id}/claim/qr: what the shop scans, another picture every half minute."""

from shared.claims import get_claim_qr as rule
from shared.claims.model import QrPath
from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wiring.claims import claims, pictures, signer
from shared.wiring.edge import http_function


@http_function
async def get_claim_qr(request: Request[Nothing, QrPath]) -> Reply[bytes]:
    """GET /v1/orders/{order_id}/claim/qr: what the shop scans, another picture every half minute."""
    asked = request.params
    return await rule.get_claim_qr(
        asked.order_id, asked.format, by=request.by, pictures=pictures(), signer=signer(), using=claims()
    )
