"""POST /v1/payments/{payment_id}/refunds: ask for coins of a payment back."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.payments import request_refund as rule
from shared.payments.model import PaymentPath
from shared.payments.refund_model import RefundView, RequestRefund
from shared.wiring.edge import http_function
from shared.wiring.refunds import requesting


@http_function
async def request_refund(request: Request[RequestRefund, PaymentPath]) -> Reply[RefundView]:
    """POST /v1/payments/{payment_id}/refunds: ask for coins of a payment back."""
    return await rule.request_refund(request.params.payment_id, request.body, by=request.by, using=requesting())
