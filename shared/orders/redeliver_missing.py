"""redeliver_missing: Kafka wakes, Postgres decides. What some operation has not taken goes out again.

So an order completes even when Kafka lost all it held: every fact is in the database, and so is who has taken it.
"""

from typing import Final

from shared.orders.ports import MissingFacts

BATCHES: Final = 20
"""So many a tick at most; what is left is for the next."""


async def redeliver_missing(*, using: MissingFacts) -> None:
    """Send missing facts again, batch by batch, until none is due."""
    for _ in range(BATCHES):
        if not await using.send_again():
            return
