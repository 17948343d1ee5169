"""GET /v1/balances: what stands in every account of a merchant's ledger, per shop and asset."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.payments import get_balances as rule
from shared.payments.statement import TrialBalance
from shared.wiring.edge import http_function
from shared.wiring.ledger import bookkeeping


@http_function
async def get_balances(request: Request[Nothing, Nothing]) -> Reply[TrialBalance]:
    """GET /v1/balances: what stands in every account of a merchant's ledger, per shop and asset."""
    return await rule.get_balances(by=request.by, using=bookkeeping())
