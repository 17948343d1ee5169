"""GET /v1/payments/{payment_id}/qr: the payment link as a picture that a wallet scans."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.payments import get_payment_qr as rule
from shared.payments.model import QrPath
from shared.wiring.edge import http_function
from shared.wiring.payments import payments, pictures


@http_function
async def get_payment_qr(request: Request[Nothing, QrPath]) -> Reply[bytes]:
    """GET /v1/payments/{payment_id}/qr: the payment link as a picture that a wallet scans."""
    asked, accept = request.params, request.headers.get("accept", "")
    return await rule.get_payment_qr(
        asked.payment_id, asked.format, accept, by=request.by, pictures=pictures(), using=payments()
    )
