"""The calls of supply. Written by `python -m triggers docs` from the registry; not to be edited."""

from shared.client.call import Call, Scalar, call, segment
from shared.supply.item_model import ReorderPointView, SetReorderPoint, SetSkuAvailability, SkuAvailabilityView
from shared.supply.model import (
    AdjustmentView,
    AdjustStock,
    MovementPage,
    PutRecipe,
    ReceiptView,
    ReceiveStock,
    RecipePage,
    RecipeView,
    StockPage,
    TransferStock,
    TransferView,
)


def adjust_stock(
    shop_id: str, body: AdjustStock, *, key: str | None = None, if_match: int | None = None
) -> Call[AdjustmentView]:
    """POST /v1/shops/{shop_id}/stock/adjustments: note what was counted, wasted, damaged, stolen or wrong."""
    return call(
        "adjust_stock",
        "POST",
        f"/v1/shops/{segment(shop_id)}/stock/adjustments",
        AdjustmentView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def get_stock(shop_id: str, *, cursor: Scalar = None, limit: Scalar = None) -> Call[StockPage]:
    """GET /v1/shops/{shop_id}/stock: what is on the shelves, for the shop's staff."""
    return call(
        "get_stock", "GET", f"/v1/shops/{segment(shop_id)}/stock", StockPage, query={"cursor": cursor, "limit": limit}
    )


def list_recipes(shop_id: str, *, cursor: Scalar = None, limit: Scalar = None) -> Call[RecipePage]:
    """GET /v1/shops/{shop_id}/recipes: what items and choices take of the stock, for the shop's staff."""
    return call(
        "list_recipes",
        "GET",
        f"/v1/shops/{segment(shop_id)}/recipes",
        RecipePage,
        query={"cursor": cursor, "limit": limit},
    )


def list_stock_movements(
    shop_id: str, *, sku: Scalar = None, cursor: Scalar = None, limit: Scalar = None
) -> Call[MovementPage]:
    """GET /v1/shops/{shop_id}/stock/movements: the stock ledger, newest first, for the shop's staff."""
    return call(
        "list_stock_movements",
        "GET",
        f"/v1/shops/{segment(shop_id)}/stock/movements",
        MovementPage,
        query={"sku": sku, "cursor": cursor, "limit": limit},
    )


def put_recipe(
    shop_id: str, body: PutRecipe, *, key: str | None = None, if_match: int | None = None
) -> Call[RecipeView]:
    """PUT /v1/shops/{shop_id}/recipes: what an item or a choice takes of the stock."""
    return call(
        "put_recipe",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/recipes",
        RecipeView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def receive_stock(
    shop_id: str, body: ReceiveStock, *, key: str | None = None, if_match: int | None = None
) -> Call[ReceiptView]:
    """POST /v1/shops/{shop_id}/stock/receipts: take a delivery into stock."""
    return call(
        "receive_stock",
        "POST",
        f"/v1/shops/{segment(shop_id)}/stock/receipts",
        ReceiptView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def set_reorder_point(
    shop_id: str, body: SetReorderPoint, *, key: str | None = None, if_match: int | None = None
) -> Call[ReorderPointView]:
    """PUT /v1/shops/{shop_id}/stock/reorder-points: from which quantity downwards a SKU is low."""
    return call(
        "set_reorder_point",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/stock/reorder-points",
        ReorderPointView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def set_sku_availability(
    shop_id: str, body: SetSkuAvailability, *, key: str | None = None, if_match: int | None = None
) -> Call[SkuAvailabilityView]:
    """PUT /v1/shops/{shop_id}/stock/availability: mark a SKU as sold out, or as there again."""
    return call(
        "set_sku_availability",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/stock/availability",
        SkuAvailabilityView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def transfer_stock(
    shop_id: str, body: TransferStock, *, key: str | None = None, if_match: int | None = None
) -> Call[TransferView]:
    """POST /v1/shops/{shop_id}/stock/transfers: send goods to another location of the same merchant."""
    return call(
        "transfer_stock",
        "POST",
        f"/v1/shops/{segment(shop_id)}/stock/transfers",
        TransferView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )
