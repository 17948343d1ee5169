"""GET /v1/shops/{shop_id}/sweeps: the sweeps of a shop, the newest first."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.payments import list_sweeps as rule
from shared.payments.sweep_model import ListSweeps, Sweeps
from shared.wiring.edge import http_function
from shared.wiring.sweeps import native_by_chain, sweeps


@http_function
async def list_sweeps(request: Request[Nothing, ListSweeps]) -> Reply[Sweeps]:
    """GET /v1/shops/{shop_id}/sweeps: the sweeps of a shop, the newest first."""
    native = native_by_chain()
    return await rule.list_sweeps(request.params, by=request.by, store=sweeps(), native_by_chain=native)
