"""forget_keys: an Idempotency-Key whose time is over is free again, and its stored reply takes no more room.

It belongs to orders because these store by far the most keys; it forgets those of every service.
"""

from typing import Final

from shared.orders.ports import StoredReplies

BATCH: Final = 5_000
BATCHES: Final = 200
"""So many a tick at most, each a commit of its own; what is left is for the next."""


async def forget_keys(*, using: StoredReplies) -> int:
    """Forget what is over, batch by batch, and return how many keys that were."""
    forgotten = 0
    for _ in range(BATCHES):
        gone = await using.forget(most=BATCH)
        forgotten += gone
        if gone < BATCH:
            break
    return forgotten
