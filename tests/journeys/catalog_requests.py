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
    "set_dayparts": "manager",
    "set_item_availability": "barista",
}
"""Who sends it."""
AT_A_SHOP: Final = tuple(PARTS)
"""Operations that the shop's own staff alone may call."""
QUERIES: Final[dict[str, dict[str, str]]] = {}


def body(operation: str, cast: Cast) -> JSON | None:
    """Return a good body of an operation; None for one that takes none."""
    match operation:
        case "set_dayparts":
            return {"dayparts": [{"name": "All day", "weekly": A_WEEK, "items": [], "categories": ["Coffee"]}]}
        case "set_item_availability":
            return {"sold_out": False}
    return None


WRONG: Final[dict[str, dict[str, tuple[object, ...]]]] = {
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
WRONG_QUERIES: Final[dict[str, tuple[str, ...]]] = {}
