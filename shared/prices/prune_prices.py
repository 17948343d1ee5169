"""prune_prices: old ticks and old bars are let go, so that the history has a size."""

from typing import Final

from shared.prices.ports import OldPrices

BATCH: Final = 5_000
BATCHES: Final = 100
"""So many a tick at most, each a commit of its own; what is left is for the next."""


async def prune_prices(*, using: OldPrices) -> int:
    """Delete what is older than it is kept, batch by batch, and return how many rows that were."""
    gone = 0
    for _ in range(BATCHES):
        batch = await using.prune(most=BATCH)
        gone += batch
        if not batch:
            break
    return gone
