"""GET /v1/sweeps/{sweep_id}: a sweep with its transactions, and how far it has come."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.payments import get_sweep as rule
from shared.payments.sweep_model import SweepPath, SweepView
from shared.wiring.edge import http_function
from shared.wiring.sweeps import native_by_chain, sweeps


@http_function
async def get_sweep(request: Request[Nothing, SweepPath]) -> Reply[SweepView]:
    """GET /v1/sweeps/{sweep_id}: a sweep with its transactions, and how far it has come."""
    native = native_by_chain()
    return await rule.get_sweep(request.params.sweep_id, by=request.by, store=sweeps(), native_by_chain=native)
