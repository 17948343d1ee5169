"""apply_payout_changes: confirmed changes of accounts take effect when their time has come."""

from shared.kernel.decision import By
from shared.kernel.errors import VersionConflict
from shared.shops import payout_lifecycle
from shared.shops.ports import DuePayouts


async def apply_payout_changes(*, by: By, using: DuePayouts) -> int:
    """Return how many shops are paid to another account from now on. One that is busy has its turn next time."""
    now, moved = using.clock.now(), 0
    for shop_id in await using.store.due():
        found = await using.store.load(shop_id)
        if not payout_lifecycle.apply(found.state if found else None, actor=by.actor, now=now):
            continue
        try:
            await using.store.decide(
                shop_id, lambda shop: payout_lifecycle.apply(shop, actor=by.actor, now=now), by=by, now=now
            )
        except VersionConflict:
            continue
        moved += 1
    return moved
