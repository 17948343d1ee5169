"""Good requests, and wrong values, of webhooks and of what people are told."""

from __future__ import annotations

from typing import Any, Final

from tests.journeys.cast import Cast

JSON = dict[str, Any]
_URLS: Final = (
    "",
    "http://example.com/hook",
    "ftp://example.com/",
    "//example.com/hook",
    "https://",
    "https://user:pass@example.com/",
    "https://example.com/#part",
    "https://10.0.0.1/hook",
    "https://169.254.169.254/latest/meta-data",
    "https://[::ffff:10.0.0.1]/",
    "https://2130706433/",
    "https://metadata.google.internal/",
    "https://exаmple.com/hook",
    "https://example.com/a b",
    "https://example.com/\r\nhost: evil",
    "https://example.com/" + "a" * 500,
    None,
    ["https://example.com/hook"],
)
_EVENTS: Final[tuple[object, ...]] = (
    [],
    ["order.placed.v1", "order.placed.v1"],
    ["order.placed"],
    ["payment.requested.v1"],
    ["*"],
    [None],
    "order.placed.v1",
    None,
)

PARTS: Final = {
    "confirm_email": "customer",
    "delete_webhook": "manager",
    "follow_order": "customer",
    "get_preferences": "customer",
    "list_deliveries": "manager",
    "list_notifications": "customer",
    "list_webhooks": "manager",
    "redeliver": "manager",
    "register_webhook": "manager",
    "rotate_webhook_secret": "owner",
    "update_webhook": "owner",
}
"""Who sends it."""
THEIR_OWN: Final = ("delete_webhook", "list_deliveries", "redeliver", "rotate_webhook_secret", "update_webhook")
"""Operations on a webhook, which is that of a merchant for all their shops."""
QUERIES: Final[dict[str, dict[str, str]]] = {
    "list_deliveries": {"status": "waiting", "limit": "10"},
    "list_notifications": {"limit": "10"},
}


def body(operation: str, cast: Cast) -> JSON | None:
    """Return a good body of an operation; None for one that takes none."""
    hook = {"url": "https://hooks.example/cortado", "events": ["order.ready.v1"], "description": "till"}
    match operation:
        case "confirm_email":
            return {"code": "AAAA-AAAA"}
        case "register_webhook":
            return hook
        case "update_webhook":
            return {**hook, "enabled": True}
        case "rotate_webhook_secret":
            return {"overlap_hours": 1}
    return None


WRONG: Final[dict[str, dict[str, tuple[object, ...]]]] = {
    "confirm_email": {
        "/code": (
            "",
            "AAAA",
            "AAAA-AAA1",
            "AAAA_AAAA",
            "ＡＡＡＡ-ＡＡＡＡ",
            "AAAA-AAAA\n",
            12345678,
            None,
            ["AAAA-AAAA"],
        ),
        "/email": ("eve@example.com",),
    },
    "register_webhook": {
        "/url": _URLS,
        "/events": _EVENTS,
        "/description": ("x" * 201, "two\nlines", "\u202e", None),
        "/shop_id": ("shp_0", "SHP_" + "0" * 32, ""),
        "/merchant_id": ("mer_" + "0" * 32,),
        "/secret": ("whsec_" + "0" * 44,),
    },
    "rotate_webhook_secret": {"/overlap_hours": (-1, 169, 1.5, "1", None, True), "/secret": ("whsec_x",)},
    "update_webhook": {
        "/url": _URLS,
        "/events": _EVENTS,
        "/description": ("x" * 201, None),
        "/enabled": ("yes", "true", 1, None),
        "/shop_id": ("shp_" + "0" * 32,),
    },
}
WRONG_QUERIES: Final[dict[str, tuple[str, ...]]] = {
    "list_deliveries": ("limit=0", "limit=101", "status=lost", "status=", "cursor=x", "cursor=ord_" + "0" * 32),
    "list_notifications": ("limit=0", "limit=101", "cursor=x", "cursor=ord_" + "0" * 32, "user_id=usr_0"),
    "list_webhooks": ("shop_id=x", "shop_id=", "limit=1"),
}
