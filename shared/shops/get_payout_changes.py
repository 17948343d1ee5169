"""get_payout_changes: the accounts of a shop, and the changes of them that are open, or over since not long."""

from shared.kernel.decision import By
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops.lifecycle import run_by
from shared.shops.payout import PayoutView
from shared.shops.payout_lifecycle import payout_view
from shared.shops.ports import PayoutDesk


async def get_payout_changes(shop_id: ShopId, *, by: By, using: PayoutDesk) -> Reply[PayoutView]:
    """Return them as fingerprints, the newest change first. Raises NotFound, Forbidden."""
    found = await using.store.load(shop_id)
    return Reply(payout_view(run_by(found.state if found else None, by)))
