"""Good requests, and wrong values, of the operations on stock."""

from __future__ import annotations

from typing import Any, Final

from tests.journeys.cast import Cast

JSON = dict[str, Any]
_QUANTITIES: Final = (0, -5, 1.5, "5", True, 10**30, None, "٥")
_SKUS: Final = ("SHOT", "shot ", "ѕhot", "../etc", "", "-", "x" * 41, "shot\n")

PARTS: Final = {
    "adjust_stock": "manager",
    "list_recipes": "barista",
    "list_stock_movements": "barista",
    "put_recipe": "manager",
    "set_reorder_point": "manager",
    "set_sku_availability": "barista",
    "transfer_stock": "manager",
}
"""Who sends it."""
AT_A_SHOP: Final = tuple(PARTS)
"""Operations that the shop's own staff alone may call."""
QUERIES: Final[dict[str, dict[str, str]]] = {
    "list_recipes": {"limit": "10"},
    "list_stock_movements": {"sku": "shot", "limit": "10"},
}


def body(operation: str, cast: Cast) -> JSON | None:
    """Return a good body of an operation; None for one that takes none."""
    match operation:
        case "adjust_stock":
            return {"reason": "waste", "lines": [{"sku": "shot", "delta": -1}], "note": "spilt"}
        case "put_recipe":
            takes = [{"sku": "shot", "quantity": 1, "unit": "piece"}]
            return {"product_id": cast.place.item_id, "takes": takes, "instead": []}
        case "set_reorder_point":
            return {"sku": "shot", "reorder_point": 20}
        case "set_sku_availability":
            return {"sku": "shot", "sold_out": False, "until": None}
        case "transfer_stock":
            there = cast.merchant.places[1].shop_id
            return {"to_shop_id": there, "lines": [{"sku": "shot", "quantity": 1}], "note": "by van"}
    return None


WRONG: Final[dict[str, dict[str, tuple[object, ...]]]] = {
    "adjust_stock": {
        "/reason": ("gift", "Waste", "received", "count", "", None, 1, ["waste"]),
        "/lines/0/delta": (0, 1, -1.5, "-1", True, 10**30, -(10**6) - 1, None, "٥"),
        "/lines/0/sku": _SKUS,
        "/lines/0/counted": (5,),
        "/lines/0/version": (1,),
        "/lines": ([], [{}], [{"sku": "shot", "delta": -1}] * 2, {}),
        "/note": ("\n", "x" * 201),
    },
    "put_recipe": {
        "/product_id": ("", "itm_0", "ITM_" + "0" * 32, "shp_" + "0" * 32, "itm_" + "0" * 32, "itm_" + "٠" * 32, None),
        "/takes/0/quantity": (*_QUANTITIES, 10**6 + 1),
        "/takes/0/sku": _SKUS,
        "/takes/0/unit": ("oz", "G", "", "grams", None, 1, "lb"),
        "/takes": ([{}], {}, None, [{"sku": "shot", "quantity": 1, "unit": "piece"}] * 2),
        "/instead": ([{"sku": "shot", "by": "soy"}], [{"sku": "shot", "by": "shot"}], [{}], {}),
    },
    "set_reorder_point": {
        "/sku": (*_SKUS, None),
        "/reorder_point": (-1, 1.5, "5", True, 10**9 + 1, 10**30),
        "/low": (True,),
    },
    "set_sku_availability": {
        "/sku": (*_SKUS, None),
        "/sold_out": ("yes", "true", 1, None, "false"),
        "/until": ("2026-05-06", "2099-01-01T00:00:00Z", "soon", 1767312000),
    },
    "transfer_stock": {
        "/to_shop_id": ("", "shp_0", "SHP_" + "0" * 32, "mer_" + "0" * 32, "shp_" + "0" * 32, None),
        "/lines/0/quantity": _QUANTITIES,
        "/lines/0/sku": _SKUS,
        "/lines/0/unit": ("oz", "", "G", 1),
        "/lines": ([], [{}], [{"sku": "shot", "quantity": 1}] * 2),
        "/note": ("\n",),
    },
}
"""None of these is taken."""
WRONG_QUERIES: Final[dict[str, tuple[str, ...]]] = {
    "list_recipes": ("limit=0", "limit=101", "cursor=x", "cursor=", "cursor=itm_0", "cursor=shp_" + "0" * 32),
    "list_stock_movements": (
        *("limit=0", "limit=101", "sku=SHOT", "sku=", "sku=..", "cursor=0", "cursor=-1", "cursor=x", "cursor=1.5"),
        *("cursor=" + "9" * 30, "cursor=", "cursor=%D9%A5"),
    ),
}
