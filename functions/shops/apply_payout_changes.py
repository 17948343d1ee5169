"""Every 15 s: let confirmed changes of payout accounts take effect when their time has come."""

from shared.edge.cloud_event import Tick
from shared.shops import apply_payout_changes as rule
from shared.wiring.edge import scheduled_function
from shared.wiring.payout import due_payouts


@scheduled_function
async def apply_payout_changes(tick: Tick) -> None:
    """Every 15 s: let confirmed changes of payout accounts take effect when their time has come."""
    await rule.apply_payout_changes(by=tick.by, using=due_payouts())
