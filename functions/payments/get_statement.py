"""GET /v1/shops/{shop_id}/ledger: a shop's ledger of one day, for its owner and its managers."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.payments import get_statement as rule
from shared.payments.statement import GetStatement, Statement
from shared.wiring.edge import http_function
from shared.wiring.ledger import bookkeeping


@http_function
async def get_statement(request: Request[Nothing, GetStatement]) -> Reply[Statement]:
    """GET /v1/shops/{shop_id}/ledger: a shop's ledger of one day, for its owner and its managers."""
    return await rule.get_statement(request.params, by=request.by, using=bookkeeping())
