"""GET /v1/shops/{shop_id}/ledger/csv: a shop's day in the ledger as CSV, for accountants."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.payments import export_statement as rule
from shared.payments.export_statement import ExportStatement
from shared.wiring.edge import http_function
from shared.wiring.ledger import bookkeeping


@http_function
async def export_statement(request: Request[Nothing, ExportStatement]) -> Reply[bytes]:
    """GET /v1/shops/{shop_id}/ledger/csv: a shop's day in the ledger as CSV, for accountants."""
    return await rule.export_statement(request.params, by=request.by, using=bookkeeping())
