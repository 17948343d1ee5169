"""Good requests, and wrong values, of the operations that sell: dayparts, availability, tax, discounts."""

from __future__ import annotations

from typing import Any, Final

from shared.catalog import lifecycle, menu_csv
from shared.catalog.model import ImportMenu
from shared.catalog.ports import ShopTerms
from shared.kernel.ids import MerchantId, ModifierId, ShopId
from tests.journeys.cast import A_WEEK, Cast

JSON = dict[str, Any]
_TEXTS: Final = ("", " ", "two\nlines", "\u2028", "\u202egnihtemos", "\x7f", "x" * 61, 1, None)
_ITEMS: Final = (["itm_" + "0" * 32], ["itm_0"], "itm_" + "0" * 32, None)
_SPAN: Final = A_WEEK[0]

PARTS: Final = {
    "archive_menu_item": "owner",
    "export_menu": "manager",
    "import_menu_csv": "owner",
    "request_image_upload": "owner",
    "set_item_image": "manager",
    "list_discounts": "manager",
    "put_discount": "manager",
    "set_dayparts": "manager",
    "set_item_availability": "barista",
    "set_taxes": "owner",
}
"""Who sends it."""
AT_A_SHOP: Final = tuple(PARTS)
"""Operations that the shop's own staff alone may call."""
OPEN: Final = {"search_menu": ""}
"""Operations that anybody may call."""
QUERIES: Final[dict[str, dict[str, str]]] = {
    "export_menu": {"format": "csv"},
    "list_discounts": {"limit": "10"},
    "search_menu": {"q": "flatwite", "on_sale": "false", "limit": "5"},
}


def body(operation: str, cast: Cast) -> JSON | None:
    """Return a good body of an operation; None for one that takes none."""
    match operation:
        case "import_menu_csv":
            return {"csv": _table(cast)}
        case "request_image_upload":
            return {"content_type": "image/webp", "size": 4200}
        case "set_item_image":
            return {"key": None}
        case "put_discount":
            when = {"starts_at": "2026-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z"}
            terms = {"rate_bp": 1000, "minimum": "100", "maximum": "500", "uses": 100, "active": True}
            scope = {"items": [cast.place.item_id], "categories": ["Coffee"]}
            return {"name": "Welcome", "code": "WELCOME-10", **terms, **when, **scope}
        case "set_taxes":
            tax = {"name": "VAT", "rate_bp": 700, "inclusion": "inclusive"}
            return {"taxes": [{**tax, "items": [], "categories": ["Coffee"]}]}
        case "set_dayparts":
            return {"dayparts": [{"name": "All day", "weekly": A_WEEK, "items": [], "categories": ["Coffee"]}]}
        case "set_item_availability":
            return {"sold_out": False}
    return None


def _table(cast: Cast) -> str:
    """Return the cast's menu as a table: what every shop of the cast sells."""
    here = cast.place
    choices = [{"modifier_id": ModifierId.new(), "name": "Hafer", "price_delta": "50"}]
    group = {"name": "Milk", "min": 0, "max": 1, "modifiers": choices}
    item = {"name": "Flat White", "category": "Coffee", "price": "420", "sku": "shot"}
    command = ImportMenu.model_validate({"items": {here.item_id: item}, "groups": {here.group_id: group}})
    shop = ShopTerms(ShopId(here.shop_id), MerchantId.new(), "EUR", ())
    (fact,) = lifecycle.import_menu(command, shop=shop)
    return menu_csv.written(lifecycle.evolve(None, fact))


WRONG: Final[dict[str, dict[str, tuple[object, ...]]]] = {
    "import_menu_csv": {
        "/csv": ("", "record,id", '"', "a,b\nc,d\n", "\ufeff", "x" * 400_001, None, 1, ["record"]),
        "/items": ({},),
    },
    "request_image_upload": {
        "/content_type": (
            "image/gif",
            "image/svg+xml",
            "text/html",
            "IMAGE/PNG",
            "image/png\n",
            "",
            None,
            ["image/png"],
        ),
        "/size": (0, -1, 5_000_001, 4.2, "4200", True, None),
        "/key": ("menus/x.png",),
    },
    "set_item_image": {
        "/key": ("", "x", "../x.png", "menus/x.png", "https://elsewhere.example/x.png", "x" * 201, 1, ["x"]),
        "/url": ("https://elsewhere.example/x.png",),
    },
    "put_discount": {
        "/name": _TEXTS,
        "/code": ("", "AB", "welcome", "A" * 33, "-AB", "WELCOME 10", "ГОСТЬ-10", 1, ["WELCOME"]),
        "/rate_bp": (0, -1, 10_001, 10.5, "1000", True, None),
        "/amount": ("100", "0", "-1"),
        "/minimum": ("-1", "4.20", None, "1" + "0" * 10, 4.2),
        "/maximum": ("0", "-1", 4.2),
        "/starts_at": ("2099-01-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "soon", 0),
        "/uses": (0, -1, 1.5, "100", 10**10, True),
        "/active": ("yes", 1, None),
        "/items": _ITEMS,
        "/categories": (["Coffee", "Coffee"], [""], "Coffee", None),
        "/used": (0,),
    },
    "set_taxes": {
        "/taxes/0/name": _TEXTS,
        "/taxes/0/rate_bp": (-1, 10_001, 7.5, "700", True, None),
        "/taxes/0/inclusion": ("INCLUSIVE", "additive", "", None, 1),
        "/taxes/0/items": _ITEMS,
        "/taxes/0/categories": (["Coffee", "Coffee"], [""], "Coffee", None),
        "/taxes": (None, {}, [{}]),
    },
    "set_dayparts": {
        "/dayparts/0/name": _TEXTS,
        "/dayparts/0/weekly": ([], [_SPAN, _SPAN], [*reversed(A_WEEK)], [_SPAN] * 43, [{}], None),
        "/dayparts/0/weekly/0/opens": ("24:00", "25:00", "9:00", "09:60", "０９:00", "09:00:00", 900),
        "/dayparts/0/weekly/0/closes": ("00:00", "24:01", ""),
        "/dayparts/0/items": _ITEMS,
        "/dayparts/0/categories": (["Coffee", "Coffee"], [""], "Coffee", None),
        "/dayparts/0/timezone": ("Europe/Berlin",),
        "/dayparts": (None, {}, [{}]),
    },
    "set_item_availability": {
        "/sold_out": ("yes", "true", 1, None, "false"),
        "/until": ("2026-05-06", "2099-01-01T00:00:00Z", "soon", 1767312000),
    },
}
"""None of these is taken."""
WRONG_QUERIES: Final[dict[str, tuple[str, ...]]] = {
    "export_menu": ("format=xml", "format=", "format=CSV", "version=1"),
    "search_menu": (
        "q=",
        "limit=5",
        *(f"q=x&limit={limit}" for limit in ("0", "51", "-1")),
        f"q={'x' * 81}",
        "q=x&on_sale=1",
    ),
    "list_discounts": ("limit=0", "limit=101", "limit=-1", "cursor=x", "cursor=dsc_0", "cursor=itm_" + "0" * 32),
}
