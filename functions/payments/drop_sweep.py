"""POST /v1/sweeps/{sweep_id}/drop: give up a plan of which nothing was seen; its coins may be planned anew."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.payments import drop_sweep as rule
from shared.payments.sweep_model import SweepPath, SweepView
from shared.wiring.edge import http_function
from shared.wiring.resources import clock
from shared.wiring.sweeps import native_by_chain, sweeps


@http_function
async def drop_sweep(request: Request[Nothing, SweepPath]) -> Reply[SweepView]:
    """POST /v1/sweeps/{sweep_id}/drop: give up a plan of which nothing was seen; its coins may be planned anew."""
    sweep_id, native, now = request.params.sweep_id, native_by_chain(), clock().now()
    return await rule.drop_sweep(sweep_id, by=request.by, now=now, store=sweeps(), native_by_chain=native)
