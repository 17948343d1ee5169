"""GET /v1/reconciliation: how ledger, facts and chains compare, for the owner of the shops."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.payments import get_reconciliation as rule
from shared.payments.get_reconciliation import GetReconciliation, ReconciliationView
from shared.wiring.edge import http_function
from shared.wiring.reconciliation import showing


@http_function
async def get_reconciliation(request: Request[Nothing, GetReconciliation]) -> Reply[ReconciliationView]:
    """GET /v1/reconciliation: how ledger, facts and chains compare, for the owner of the shops."""
    return await rule.get_reconciliation(request.params, by=request.by, using=showing())
