"""GET /v1/payments/{payment_id}: a payment with all that arrived, for its customer and its shop."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.payments import get_payment as rule
from shared.payments.model import PaymentPath, PaymentView
from shared.wiring.edge import http_function
from shared.wiring.payments import payments


@http_function
async def get_payment(request: Request[Nothing, PaymentPath]) -> Reply[PaymentView]:
    """GET /v1/payments/{payment_id}: a payment with all that arrived, for its customer and its shop."""
    return await rule.get_payment(request.params.payment_id, by=request.by, using=payments())
