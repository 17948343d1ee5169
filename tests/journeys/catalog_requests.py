"""Good requests, and wrong values, of the operations that sell: dayparts, availability, tax, discounts."""

from __future__ import annotations

from typing import Any, Final

from tests.journeys.cast import A_WEEK, Cast

JSON = dict[str, Any]
_TEXTS: Final = ("", " ", "two\nlines", "\u2028", "\u202egnihtemos", "\x7f", "x" * 61, 1, None)
_ITEMS: Final = (["itm_" + "0" * 32], ["itm_0"], "itm_" + "0" * 32, None)
_SPAN: Final = A_WEEK[0]

PARTS: Final = {
    "archive_menu_item": "owner",
    "list_discounts": "manager",
    "put_discount": "manager",
    "set_dayparts": "manager",
    "set_item_availability": "barista",
    "set_taxes": "owner",
}
"""Who sends it."""
AT_A_SHOP: Final = tuple(PARTS)
"""Operations that the shop's own staff alone may call."""
QUERIES: Final[dict[str, dict[str, str]]] = {"list_discounts": {"limit": "10"}}


def body(operation: str, cast: Cast) -> JSON | None:
    """Return a good body of an operation; None for one that takes none."""
    match operation:
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


WRONG: Final[dict[str, dict[str, tuple[object, ...]]]] = {
    "put_discount": {
        "/name": _TEXTS,
        "/code": ("", "AB", "welcome", "A" * 33, "-AB", "WELCOME 10", "ГОСТЬ-10", 1, ["WELCOME"]),
        "/rate_bp": (0, -1, 10_001, 10.5, "1000", True, None),
        "/amount": ("100", "0", "-1"),
        "/minimum": ("-1", "4.20", None, "1" + "0" * 10, 100),
        "/maximum": ("0", "-1", 500),
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
    "list_discounts": ("limit=0", "limit=101", "limit=-1", "cursor=x", "cursor=dsc_0", "cursor=itm_" + "0" * 32),
}
