"""adjust_stock: what is on the shelf is not what the books say; they follow it, with the reason."""

from collections.abc import Sequence

from shared.kernel.decision import By, Stored
from shared.kernel.facts import Fact
from shared.kernel.ids import AdjustmentId, ShopId
from shared.kernel.reply import Reply
from shared.supply.model import AdjustmentView, AdjustStock, StockAdjustment
from shared.supply.ports import Supply
from shared.supply.stocktaking import adjust


async def adjust_stock(shop_id: ShopId, command: AdjustStock, *, by: By, using: Supply) -> Reply[AdjustmentView]:
    """Return 201 with the adjustment.

    Raises NotFound, Forbidden, StockMoved, NotEnoughStock, VersionConflict, AlreadyAnswered, KeyReused, Transient.
    """
    adjustment_id, merchant_id = AdjustmentId.new(), await using.shops.merchant_of(shop_id)
    skus = [line.sku for line in command.lines]

    async def rule(_: StockAdjustment | None) -> Sequence[Fact]:
        shelf = await using.shelves.of(shop_id, skus)
        return adjust(adjustment_id, shop_id, command, shelf=shelf, merchant_id=merchant_id, by=by)

    stored = await using.adjustments.decide(adjustment_id, rule, by=by, now=using.clock.now(), reply=_adjusted)
    return _adjusted(stored)


def _adjusted(stored: Stored[StockAdjustment]) -> Reply[AdjustmentView]:
    view = AdjustmentView.model_validate(stored.state.model_dump(exclude={"merchant_id"}))
    return Reply(view, status=201, version=stored.version, stream=view.adjustment_id)
