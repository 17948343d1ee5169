"""cancel_payout: a change of a shop's account is called off before it takes effect."""

from functools import partial

from shared.kernel.decision import By
from shared.kernel.ids import PayoutChangeId, ShopId
from shared.kernel.reply import Reply
from shared.shops import payout_lifecycle
from shared.shops.lifecycle import run_by
from shared.shops.payout import PayoutChangeView
from shared.shops.ports import PayoutDesk
from shared.shops.propose_payout import change_shown


async def cancel_payout(
    shop_id: ShopId, change_id: PayoutChangeId, *, by: By, using: PayoutDesk
) -> Reply[PayoutChangeView]:
    """Return the change, called off. Raises NotFound, Forbidden, ChangeRefused when it is over."""
    now, shown = using.clock.now(), partial(change_shown, change_id)
    stored = await using.store.decide(
        shop_id,
        lambda shop: payout_lifecycle.cancel(run_by(shop, by), change_id, by=by, now=now),
        by=by,
        now=now,
        reply=shown,
    )
    return shown(stored)
