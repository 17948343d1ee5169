"""Every 10 min: compare ledger, facts and chains, and name every difference."""

from shared.edge.cloud_event import Tick
from shared.payments import reconcile_payments as rule
from shared.wiring.edge import scheduled_function
from shared.wiring.reconciliation import reconciling


@scheduled_function
async def reconcile_payments(tick: Tick) -> None:
    """Every 10 min: compare ledger, facts and chains, and name every difference."""
    await rule.reconcile_payments(by=tick.by, using=reconciling())
