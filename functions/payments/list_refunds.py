"""GET /v1/shops/{shop_id}/refunds: a shop's refunds, newest first, for its owner and its managers."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.payments import list_refunds as rule
from shared.payments.refund_model import ListRefunds, RefundPage
from shared.wiring.edge import http_function
from shared.wiring.refunds import refunds


@http_function
async def list_refunds(request: Request[Nothing, ListRefunds]) -> Reply[RefundPage]:
    """GET /v1/shops/{shop_id}/refunds: a shop's refunds, newest first, for its owner and its managers."""
    return await rule.list_refunds(request.params, by=request.by, using=refunds())
