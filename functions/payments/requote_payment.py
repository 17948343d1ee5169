"""POST /v1/payments/{payment_id}/quote: count what came, and quote the rest of it anew."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.payments import requote_payment as rule
from shared.payments.model import PaymentPath, PaymentView
from shared.wiring.edge import http_function
from shared.wiring.payments import requesting


@http_function
async def requote_payment(request: Request[Nothing, PaymentPath]) -> Reply[PaymentView]:
    """POST /v1/payments/{payment_id}/quote: count what came, and quote the rest of it anew."""
    return await rule.requote_payment(request.params.payment_id, by=request.by, using=requesting())
