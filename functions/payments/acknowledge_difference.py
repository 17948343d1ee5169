"""POST /v1/differences/{difference_id}/acknowledge: the owner knows of a difference, and why it may stay."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.payments import get_reconciliation as rule
from shared.payments.get_reconciliation import AcknowledgeDifference, DifferencePath, DifferenceView
from shared.wiring.edge import http_function
from shared.wiring.reconciliation import showing


@http_function
async def acknowledge_difference(request: Request[AcknowledgeDifference, DifferencePath]) -> Reply[DifferenceView]:
    """POST /v1/differences/{difference_id}/acknowledge: the owner knows of a difference, and why it may stay."""
    return await rule.acknowledge_difference(request.params.difference_id, request.body, by=request.by, using=showing())
