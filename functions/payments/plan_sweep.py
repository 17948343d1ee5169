"""POST /v1/shops/{shop_id}/sweeps: unsigned transactions that move the shop's final coins to its treasury."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.payments import plan_sweep as rule
from shared.payments.sweep_model import PlanSweep, SweepShop, SweepView
from shared.wiring.edge import http_function
from shared.wiring.sweeps import planning


@http_function
async def plan_sweep(request: Request[PlanSweep, SweepShop]) -> Reply[SweepView]:
    """POST /v1/shops/{shop_id}/sweeps: unsigned transactions that move the shop's final coins to its treasury."""
    return await rule.plan_sweep(request.params.shop_id, request.body, by=request.by, using=planning())
