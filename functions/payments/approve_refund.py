"""POST /v1/refunds/{refund_id}/approve: agree to a refund, or decline it; two people do."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.payments import approve_refund as rule
from shared.payments.refund_model import DecideRefund, RefundPath, RefundView
from shared.wiring.edge import http_function
from shared.wiring.refunds import refunds


@http_function
async def approve_refund(request: Request[DecideRefund, RefundPath]) -> Reply[RefundView]:
    """POST /v1/refunds/{refund_id}/approve: agree to a refund, or decline it; two people do."""
    return await rule.approve_refund(request.params.refund_id, request.body, by=request.by, using=refunds())
