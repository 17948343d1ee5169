"""snapshot_ledger: keep what each shop's accounts come to, so that balances are read without all of the past."""

from typing import Final, Protocol

AGE_S: Final = 86_400.0
"""A snapshot is of so long ago: what is posted late is mostly posted by then."""
AT_ONCE: Final = 200
ROUNDS: Final = 50
"""As many statements a call makes at most; the next call goes on."""


class Snapshots(Protocol):
    """Balances as they were, kept."""

    async def take(self, *, age_s: float, limit: int) -> int:
        """Take a snapshot of shops in which something happened since their last; return of how many."""
        ...


async def snapshot_ledger(*, using: Snapshots) -> int:
    """Take a snapshot of every shop that is due; return of how many. Two calls at once take the same ones once."""
    taken = 0
    for _ in range(ROUNDS):
        of_round = await using.take(age_s=AGE_S, limit=AT_ONCE)
        taken += of_round
        if of_round < AT_ONCE:
            break
    return taken
