"""list_discounts: what a shop gives off, and how often that was used, for those who run it."""

from shared.catalog import discounts, lifecycle
from shared.catalog.discount_model import DiscountPage, ListDiscounts
from shared.catalog.ports import Discounting
from shared.kernel.decision import By
from shared.kernel.reply import Reply


async def list_discounts(asked: ListDiscounts, *, by: By, using: Discounting) -> Reply[DiscountPage]:
    """Return a page of the shop's discounts by id. Raises NotFound, Forbidden."""
    shop = await using.shops.terms(asked.shop_id)
    lifecycle.run_by(shop, by)
    found, after = await using.read.page(asked.shop_id, after=asked.cursor, limit=asked.limit)
    return Reply(DiscountPage(discounts=tuple(discounts.view(stored, used) for stored, used in found), next=after))
