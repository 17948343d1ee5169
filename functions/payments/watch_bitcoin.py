"""Every 5 s: read Bitcoin's new blocks and mempool."""

from shared.edge.cloud_event import Tick
from shared.payments.watch import watch_chains
from shared.wiring.chains import bitcoin_watchers
from shared.wiring.edge import scheduled_function


@scheduled_function
async def watch_bitcoin(tick: Tick) -> None:
    """Every 5 s: read Bitcoin's new blocks and mempool."""
    await watch_chains(bitcoin_watchers(), by=tick.by)
