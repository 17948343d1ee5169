"""Every hour: keep what each shop's accounts come to, so that balances are read without all of the past."""

from shared.edge.cloud_event import Tick
from shared.payments import snapshot_ledger as rule
from shared.wiring.edge import scheduled_function
from shared.wiring.ledger import snapshots


@scheduled_function
async def snapshot_ledger(tick: Tick) -> None:
    """Every hour: keep what each shop's accounts come to, so that balances are read without all of the past."""
    await rule.snapshot_ledger(using=snapshots())
