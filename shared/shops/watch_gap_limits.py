"""watch_gap_limits: a wallet stops looking after so many unused addresses in a row; its owner hears of it before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from shared.kernel.clock import Clock
from shared.kernel.decision import By
from shared.kernel.ids import MerchantId, ShopId
from shared.shops.facts import ShopGapLimitNear

WARN_AT_PERCENT: Final = 80


@dataclass(frozen=True, slots=True)
class Gap:
    """How many addresses of an account in a row were shown since the last one that was paid to.

    `shop_id` is the shop that showed the last one; `last_paid` is -1 where none was paid to among those looked at.
    """

    fingerprint: str
    family: str
    shop_id: ShopId
    merchant_id: MerchantId
    last_paid: int
    unused: int
    warned: bool


class Gaps(Protocol):
    """Reads what was shown and what was paid to."""

    async def widest(self, *, look_at: int) -> Sequence[Gap]:
        """Return the gap of every account in use, of each the last `look_at` addresses looked at."""
        ...

    async def warn(self, gap: Gap, warning: ShopGapLimitNear, *, by: By) -> bool:
        """Append the warning, unless there was one since the last payment; return whether it was appended."""
        ...


class GapMeter(Protocol):
    """Shows how wide gaps are."""

    def measured(self, widest: int, near: int) -> None:
        """Take the widest gap in addresses, and how many accounts are near their wallet's limit."""
        ...


@dataclass(frozen=True, slots=True)
class GapWatch:
    """Everything that the watch is given. `limit`: as many unused addresses in a row do wallets look at."""

    gaps: Gaps
    meter: GapMeter
    limit: int
    clock: Clock


async def watch_gap_limits(*, by: By, using: GapWatch) -> int:
    """Warn the merchants whose wallets are about to look no further; return how many were warned now."""
    near_from = -(-using.limit * WARN_AT_PERCENT // 100)
    gaps = await using.gaps.widest(look_at=2 * using.limit)
    near = [gap for gap in gaps if gap.unused >= near_from]
    using.meter.measured(max((gap.unused for gap in gaps), default=0), len(near))
    warned = 0
    for gap in near:
        if gap.warned:
            continue
        warning = ShopGapLimitNear(
            shop_id=gap.shop_id,
            merchant_id=gap.merchant_id,
            family=gap.family,
            fingerprint=gap.fingerprint,
            unused=gap.unused,
            limit=using.limit,
            actor=by.actor,
            at=using.clock.now(),
        )
        warned += await using.gaps.warn(gap, warning, by=by)
    return warned
