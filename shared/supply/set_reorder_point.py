"""set_reorder_point: from which quantity downwards a SKU is low at a shop."""

from shared.kernel.decision import By, Decided, Stored
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.supply import reordering
from shared.supply.item_model import ReorderPointView, SetReorderPoint, StockItem
from shared.supply.ports import Supply


async def set_reorder_point(
    shop_id: ShopId, command: SetReorderPoint, *, by: By, using: Supply
) -> Reply[ReorderPointView]:
    """Return the reorder point. Raises NotFound, Forbidden, VersionConflict, AlreadyAnswered, KeyReused, Transient."""
    merchant_id = await using.shops.merchant_of(shop_id)
    level = (await using.shelves.of(shop_id, [command.sku])).get(command.sku)

    def rule(_: StockItem | None) -> Decided:
        return reordering.set_reorder_point(shop_id, command, level=level, merchant_id=merchant_id, by=by)

    def shown(stored: Stored[StockItem]) -> Reply[ReorderPointView]:
        point = stored.state.reorder_point
        low = level is not None and point is not None and level.on_hand <= point
        view = ReorderPointView(shop_id=shop_id, sku=command.sku, reorder_point=point, low=low)
        return Reply(view, version=stored.version, stream=stored.state.stock_item_id)

    item_id = reordering.item_id_of(shop_id, command.sku)
    return shown(await using.items.decide(item_id, rule, by=by, now=using.clock.now(), reply=shown))
