"""POST /v1/sweeps/{sweep_id}/transactions: a transaction of the plan, signed, to be given to the network."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.payments import submit_sweep as rule
from shared.payments.sweep_model import SubmitSweep, SweepPath, SweepView
from shared.wiring.edge import http_function
from shared.wiring.sweeps import sweeping


@http_function
async def submit_sweep(request: Request[SubmitSweep, SweepPath]) -> Reply[SweepView]:
    """POST /v1/sweeps/{sweep_id}/transactions: a transaction of the plan, signed, to be given to the network."""
    return await rule.submit_sweep(request.params.sweep_id, request.body, by=request.by, using=sweeping())
