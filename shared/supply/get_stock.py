"""get_stock: what a shop has on its shelves, for its staff."""

from shared.kernel.decision import By
from shared.kernel.reply import Reply
from shared.supply import lifecycle
from shared.supply.model import GetStock, StockPage
from shared.supply.ports import Supply


async def get_stock(asked: GetStock, *, by: By, using: Supply) -> Reply[StockPage]:
    """Return a page of the shop's stock by SKU. Raises NotFound, also for somebody else's shop."""
    merchant_id = await using.shops.merchant_of(asked.shop_id)
    lifecycle.staffed(merchant_id, by)
    levels, after = await using.shelves.levels(asked.shop_id, merchant_id, after=asked.cursor, limit=asked.limit)
    return Reply(StockPage(levels=tuple(levels), next=after))
