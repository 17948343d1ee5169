"""POST /v1/orders/{order_id}/payments: an address of its own to pay an order to, with a signed quote."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.payments import generate_payment_address as rule
from shared.payments.model import OrderPath, PaymentView, RequestPayment
from shared.wiring.edge import http_function
from shared.wiring.payments import requesting


@http_function
async def generate_payment_address(request: Request[RequestPayment, OrderPath]) -> Reply[PaymentView]:
    """POST /v1/orders/{order_id}/payments: an address of its own to pay an order to, with a signed quote."""
    return await rule.generate_payment_address(request.params.order_id, request.body, by=request.by, using=requesting())
