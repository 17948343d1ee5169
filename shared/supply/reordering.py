"""The rules of what a shop wants of one SKU. Pure: it is low once, from the crossing of its reorder point until it is
above it; and it is sold out by hand until a time, or until somebody says otherwise.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from shared.kernel.decision import By, Decided
from shared.kernel.errors import Bug, Invalid, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, ShopId, StockItemId
from shared.supply import facts
from shared.supply.item_model import SetReorderPoint, SetSkuAvailability, StockItem
from shared.supply.lifecycle import managed, staffed
from shared.supply.model import StockLevel

MAX_AHEAD: Final = timedelta(days=366)


def item_id_of(shop_id: ShopId, sku: str) -> StockItemId:
    """Return the id of a SKU at a shop: always the same."""
    return StockItemId(f"{StockItemId.prefix}_{sha256(f'{shop_id} {sku}'.encode()).hexdigest()[:32]}")


def set_reorder_point(
    shop_id: ShopId,
    command: SetReorderPoint,
    *,
    level: StockLevel | None,
    merchant_id: MerchantId,
    by: By,
) -> Decided:
    """Return the fact of a reorder point. Raises NotFound for what was never in stock there, Forbidden."""
    managed(merchant_id, by)
    if level is None:
        raise NotFound("The shop never had this SKU in stock.", sku=command.sku)
    fact = facts.ReorderPointSet(
        shop_id=shop_id, merchant_id=merchant_id, sku=command.sku, reorder_point=command.reorder_point
    )
    return Decided((fact,), params={"told": False})


def set_availability(
    shop_id: ShopId,
    command: SetSkuAvailability,
    *,
    level: StockLevel | None,
    merchant_id: MerchantId,
    by: By,
    now: datetime,
) -> Decided:
    """Return the fact of a SKU that is sold out, or there again; whoever stands behind the counter may say so.

    Raises NotFound for what was never in stock there, Invalid for a time that is over or too far away.
    """
    staffed(merchant_id, by)
    if level is None:
        raise NotFound("The shop never had this SKU in stock.", sku=command.sku)
    if command.until is not None and not now < command.until <= now + MAX_AHEAD:
        raise Invalid(f"`until` lies ahead, and at most {MAX_AHEAD.days} days.")
    fact = facts.SkuAvailabilitySet(
        shop_id=shop_id,
        merchant_id=merchant_id,
        sku=command.sku,
        sold_out=command.sold_out,
        until=command.until,
    )
    return Decided((fact,), params={"told": False})


def tell(item: StockItem | None, level: StockLevel | None) -> Decided:
    """Return the fact of a SKU that came down to its reorder point, or rose above it; none when that is known."""
    if item is None or level is None:
        raise Bug("a reorder point is set for what is in stock")
    low = item.reorder_point is not None and level.on_hand <= item.reorder_point
    if low == item.low:
        return Decided(())
    about = {"shop_id": item.shop_id, "merchant_id": item.merchant_id, "sku": item.sku, "on_hand": level.on_hand}
    fact = facts.StockLow(**about, reorder_point=item.reorder_point) if low else facts.StockReplenished(**about)
    return Decided((fact,), params={"told": True})


def evolve_item(item: StockItem | None, fact: Fact) -> StockItem:
    """Return the state after `fact`."""
    if isinstance(fact, facts.ReorderPointSet | facts.SkuAvailabilitySet):
        known = item or StockItem(
            stock_item_id=item_id_of(fact.shop_id, fact.sku),
            shop_id=fact.shop_id,
            merchant_id=fact.merchant_id,
            sku=fact.sku,
        )
        if isinstance(fact, facts.ReorderPointSet):
            return known.model_copy(update={"reorder_point": fact.reorder_point})
        return known.model_copy(update={"sold_out": fact.sold_out, "until": fact.until})
    if item is None or not isinstance(fact, facts.StockLow | facts.StockReplenished):
        raise Bug(f"{fact.type} can't happen to a SKU")
    return item.model_copy(update={"low": isinstance(fact, facts.StockLow)})
