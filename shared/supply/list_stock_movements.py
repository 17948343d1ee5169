"""list_stock_movements: the stock ledger of a shop, for its staff."""

from shared.kernel.decision import By
from shared.kernel.reply import Reply
from shared.supply import lifecycle
from shared.supply.model import ListMovements, MovementPage
from shared.supply.ports import Supply


async def list_stock_movements(asked: ListMovements, *, by: By, using: Supply) -> Reply[MovementPage]:
    """Return a page of what moved, newest first. Raises NotFound, also for somebody else's shop."""
    merchant_id = await using.shops.merchant_of(asked.shop_id)
    lifecycle.staffed(merchant_id, by)
    found = await using.shelves.movements(
        asked.shop_id, merchant_id, sku=asked.sku, before=asked.cursor, limit=asked.limit + 1
    )
    shown = tuple(found[: asked.limit])
    return Reply(MovementPage(movements=shown, next=shown[-1].entry if len(found) > asked.limit else None))
