"""Every 2 s: read the new blocks of every EVM chain."""

from shared.edge.cloud_event import Tick
from shared.payments.watch import watch_chains
from shared.wiring.chains import evm_watchers
from shared.wiring.edge import scheduled_function


@scheduled_function
async def watch_evm(tick: Tick) -> None:
    """Every 2 s: read the new blocks of every EVM chain."""
    await watch_chains(evm_watchers(), by=tick.by)
