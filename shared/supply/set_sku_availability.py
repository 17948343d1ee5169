"""set_sku_availability: nothing of a SKU may be ordered for a while, or it may again."""

from shared.kernel.decision import By, Decided, Stored
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.supply import reordering
from shared.supply.item_model import SetSkuAvailability, SkuAvailabilityView, StockItem
from shared.supply.ports import Supply


async def set_sku_availability(
    shop_id: ShopId, command: SetSkuAvailability, *, by: By, using: Supply
) -> Reply[SkuAvailabilityView]:
    """Return what is said now. Orders placed before keep what they hold.

    Raises NotFound, Invalid, VersionConflict, AlreadyAnswered, KeyReused, Transient.
    """
    merchant_id, now = await using.shops.merchant_of(shop_id), using.clock.now()
    level = (await using.shelves.of(shop_id, [command.sku])).get(command.sku)

    def rule(_: StockItem | None) -> Decided:
        return reordering.set_availability(shop_id, command, level=level, merchant_id=merchant_id, by=by, now=now)

    item_id = reordering.item_id_of(shop_id, command.sku)
    return _shown(await using.items.decide(item_id, rule, by=by, now=now, reply=_shown))


def _shown(stored: Stored[StockItem]) -> Reply[SkuAvailabilityView]:
    item = stored.state
    view = SkuAvailabilityView(shop_id=item.shop_id, sku=item.sku, sold_out=item.sold_out, until=item.until)
    return Reply(view, version=stored.version, stream=item.stock_item_id)
