"""When a call is sent again: after a broken connection, a 503 or a 429, within a time and a number of tries.

Any call may be: every write of the platform takes an Idempotency-Key, or says why repeating it is harmless.
"""

import random
import time
from dataclasses import dataclass, field

from shared.client.problems import ApiProblem, TooOften, Unavailable


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often a call is tried."""

    tries: int = 8
    total_s: float = 30.0
    """From the first try; a pause that would go beyond it is not made."""
    first_pause_s: float = 0.1
    longest_pause_s: float = 5.0

    def begin(self) -> "Trying":
        """Return the count of one call's tries."""
        return Trying(self)


USUAL = Patience()


@dataclass(slots=True)
class Trying:
    """The tries of one call."""

    patience: Patience
    failed: int = 0
    began: float = field(default_factory=time.monotonic)

    def pause_s(self, failure: Exception) -> float:
        """Return how long to wait before the next try. Raises the failure where there is no next."""
        self.failed += 1
        patience, asked = self.patience, 0
        if isinstance(failure, ApiProblem):
            if not isinstance(failure, TooOften | Unavailable):
                raise failure
            asked = failure.retry_after_s or 0
        bound = min(patience.longest_pause_s, patience.first_pause_s * 2 ** min(self.failed - 1, 20))
        pause = max(random.uniform(bound / 2, bound), min(asked, patience.longest_pause_s))
        if self.failed >= patience.tries or time.monotonic() + pause - self.began > patience.total_s:
            raise failure
        return pause
