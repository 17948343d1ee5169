"""alert_low_stock: goods moved, so some SKUs may have come down to their reorder points, or risen above them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from shared.kernel.decision import By, Decided
from shared.kernel.errors import Transient, VersionConflict
from shared.kernel.ids import ShopId
from shared.supply import facts, reordering
from shared.supply.item_model import StockItem
from shared.supply.ports import Supply

StockNews = (
    facts.StockReceived | facts.StockConsumed | facts.StockAdjusted | facts.StockTransferred | facts.ReorderPointSet
)
"""What may make a SKU low, or end it. What orders merely hold does not: half of it comes back unpaid."""


async def alert_low_stock(news: StockNews, *, by: By, using: Supply) -> None:
    """Tell of the SKUs that are low now and were not told to be, or the reverse. Raises Transient.

    Each is a decision of its own, which the SKU's own state makes happen once; the event is taken when all are made.
    """
    for shop_id, skus in _moved(news):
        for sku in await using.items.crossed(shop_id, skus):
            await _told(shop_id, sku, by=by, using=using)
    await using.inbox.take(by)


def _moved(news: StockNews) -> Iterator[tuple[ShopId, Sequence[str]]]:
    """Yield the shops where something may be low now, and of what."""
    if isinstance(news, facts.ReorderPointSet):
        yield news.shop_id, [news.sku]
    elif isinstance(news, facts.StockTransferred):
        for shop_id in (news.from_shop_id, news.to_shop_id):
            yield shop_id, [line.sku for line in news.lines]
    else:
        yield news.shop_id, [line.sku for line in news.lines]


async def _told(shop_id: ShopId, sku: str, *, by: By, using: Supply) -> None:
    async def rule(item: StockItem | None) -> Decided:
        return reordering.tell(item, (await using.shelves.of(shop_id, [sku])).get(sku))

    item_id = reordering.item_id_of(shop_id, sku)
    try:
        await using.items.decide(item_id, rule, by=replace(by, once=None), now=using.clock.now())
    except VersionConflict as moving:
        raise Transient(f"{sku} of {shop_id} is changing too fast.") from moving
