"""Values that look right to somebody and are wrong where they stand, by operation and JSON pointer."""

from __future__ import annotations

from typing import Final

from tests.integration.shopkeeping import BITCOIN, EVM, account_key
from tests.journeys import catalog_requests, notifications_requests, supply_requests, wallets_requests
from tests.journeys.cast import A_WEEK, ELSEWHERE

UNITS: Final = (-1, 4.2, 420.5, True, None, "", "-1", "+420", "4.20", "4,20", "1e3", "0x1a4", "00420", " 420", "420 ")
UNITS_TOO: Final = ("٤٢٠", "４２０", "4²", "Infinity", "NaN", "9" * 79, str(10**9 + 1), ["420"])
QUANTITIES: Final = (0, -5, 1.5, "5", True, 10**30, None, "٥")
SKUS: Final = ("SHOT", "shot ", "ѕhot", "../etc", "", "-", "x" * 41, "shot\n")
ASSETS: Final = ("DOGE", "btc", "BTC ", "BТC", "ＢＴＣ", "", 1, ["BTC"], "BTC\u200b")
ZONES: Final = ("Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Europe/Berlin\n", "Europe/Вerlin", "")
TEXTS: Final = ("", " ", "two\nlines", "\u2028", "\u202egnihtemos", "\x7f", "\x9f", "x" * 121, 1, None)
UNITS_OF_COINS: Final = tuple(each for each in UNITS if each is not None)
ADDRESSES: Final = (
    "",
    "0x",
    ELSEWHERE.lower()[:-1],
    ELSEWHERE[:-1] + "8",
    ELSEWHERE.swapcase(),
    ELSEWHERE + " ",
    "0x" + "0" * 40,
    "0x" + "0" * 39 + "9",
    "0x" + "g" * 40,
    "\u0445" + ELSEWHERE[1:],
    "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
    "x" * 91,
)
ACCOUNT_KEYS: Final = (
    "",
    "xpub",
    "x" * 121,
    BITCOIN.lower(),
    BITCOIN.swapcase(),
    BITCOIN[:-1] + ("1" if BITCOIN[-1] != "1" else "2"),
    BITCOIN.replace("p", "р", 1),
    f" {BITCOIN[:50]} {BITCOIN[50:]}",
    "0x" + "5a" * 20,
    "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    account_key("m/84'/1'/0'", test_network=True, private=True),
    account_key("m/44'/60'/0'", test_network=False, private=True),
)
EMAILS: Final = (
    "ada",
    "ada@",
    "@example.com",
    "ada@example",
    "ada@example..com",
    "ada lovelace@example.com",
    "ada@example.com\r\nbcc: eve@example.com",
    "ada@example.com,eve@example.com",
    "Ada <ada@example.com>",
    "ada@exаmple.com",
    "a" * 65 + "@example.com",
    "ada@" + "a" * 250 + ".com",
)
FAMILIES: Final = ("solana", "Bitcoin", "BTC", "evm:31337", "", "вitcoin", None, ["bitcoin"], 1)
NONCES: Final = ("", "0", "5A" * 16, "5a" * 15, "5a" * 17, " " + "5a" * 16, "５a" * 16, 1, ["5a" * 16])
SIGNATURES: Final = (
    "",
    "0x",
    "0x" + "5a" * 64,
    "0x" + "5g" * 65,
    "A" * 79,
    "A" * 403,
    "A" * 87 + "é",
    "A" * 87 + "\n",
    1,
)
_SPAN: Final = A_WEEK[0]
_SAID: Final = tuple(units for units in UNITS if units is not None)
"""Wrong amounts where none at all is right."""
_HOURS: Final = {"opens": "10:00", "closes": "12:00"}
_HOLIDAY: Final = {"day": "2027-01-01"}

WRONG: Final[dict[str, dict[str, tuple[object, ...]]]] = {
    "approve_refund": {"/approve": ("yes", "true", 1, None), "/reason": ("x" * 201, "two\nlines", "\u202e")},
    "request_refund": {
        "/to": (*ADDRESSES, None),
        "/asset": ASSETS,
        "/units": (*UNITS_OF_COINS, "0"),
        "/rate": ("now", "fiat_now", "COINS", ""),
        "/lines": ([{"line": 0}], [{}], {}, None),
        "/reason": ("x" * 201, "two\nlines"),
        "/from": (ELSEWHERE,),
    },
    "acknowledge_difference": {"/reason": TEXTS, "/by": ("usr_" + "0" * 32,)},
    "cancel_order": {"/reason": ("x" * 201, "two\nlines", "\u2029")},
    "confirm_payout": {"/nonce": (*NONCES, None), "/signature": (*SIGNATURES, None)},
    "create_api_key": {
        "/role": ("customer", "service", "public", "admin", "Owner", "оwner", ""),
        "/shop_id": ("shp_0", "SHP_" + "0" * 32, "mer_" + "0" * 32, ""),
        "/shop_ids": ([], ["shp_0"], ["shp_" + "0" * 32], ["shp_" + "0" * 32] * 2, "shp_" + "0" * 32),
        "/label": TEXTS,
        "/merchant_id": ("mer_" + "0" * 32,),
    },
    "create_order": {
        "/lines/0/quantity": (*QUANTITIES, 101),
        "/lines/0/item_id": ("itm_0", "ITM_" + "0" * 32, "itm_" + "0" * 32, "itm_" + "٠" * 32, ""),
        "/lines/0/modifiers": (["opt_" + "0" * 32], ["opt_" + "0" * 32] * 2, "opt_" + "0" * 32, ["opt_0"] * 21),
        "/lines/0/price": ("1",),
        "/lines": ([], [{}], {}, None),
        "/menu_version": (0, -1, "1", 1.5, True),
        "/pickup_at": ("2026-05-06", "2026-05-06T12:00:00", "2026-05-06T12:00:00Z", "9999-12-31T00:00:00Z", "noon", ""),
        "/tip": (*UNITS, "100000001"),
        "/note": ("x" * 501, "\u202egnihtemos"),
        "/discount_code": ("", "AB", "A" * 33, "NO SUCH", "КОД", 1, ["WELCOME"]),
        "/customer_id": ("usr_" + "0" * 32,),
        "/total": ({"currency": "EUR", "units": "1"},),
    },
    "generate_payment_address": {
        "/asset": ASSETS,
        "/chain": ("evm:1", "EVM:31337", "bitcoin", "evm:31337/../bitcoin", "evm:0x7a69", "", "x" * 41, 31337),
        "/address": ("0x" + "5a" * 20, "0x5AAEB6053F3E94C9b9A09f33669435E7Ef1BeAed"),
    },
    "import_menu": {"/items": ({}, {"itm_0": {}}, [], None), "/groups": ({"mod_0": {}}, []), "/currency": ("EUR",)},
    "modify_order": {
        "/lines/0/quantity": (*QUANTITIES, 101),
        "/lines": ([], [{}], {}, None),
        "/note": ("x" * 501, "\u202egnihtemos"),
        "/tip": (*UNITS, "100000001"),
        "/shop_id": ("shp_" + "0" * 32,),
    },
    "pause_shop": {
        "/until": ("2026-05-06", "2026-05-06T12:00:00", "2026-05-06T12:00:00Z", "9999-12-31T00:00:00Z", "soon", ""),
        "/reason": ("x" * 201, "two\nlines", "\u202e", None, 1),
        "/shop_id": ("shp_" + "0" * 32,),
    },
    "plan_sweep": {
        "/chain": ("evm:1", "EVM:31337", "", "bitcoin", 31337, None),
        "/asset": (*ASSETS, "BTC"),
        "/to": ("", "0x0", "0x" + "0" * 40, "0x5AAEB6053F3E94C9b9A09f33669435E7Ef1BeAed", BITCOIN, None, ["x"]),
        "/fee_rate": (0, "0", *UNITS, "٤٢٠", "Infinity", "9" * 79, 10**14),
        "/gas_from": ("", "0x0", "0x" + "0" * 40, "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", None, 1),
        "/origin": ("", "d34db33", "d34db33f/84'/0'", "m/84h/0h", "d34db33f/" + "1/" * 9, "d34db33f/99999999999"),
    },
    "propose_payout": {
        "/family": FAMILIES,
        "/account_key": (*ACCOUNT_KEYS, BITCOIN, EVM, None),
        "/nonce": (*NONCES, "0" * 32, None),
        "/signature": (*SIGNATURES, "0x" + "5a" * 65, "A" * 88, None),
    },
    "prove_payout": {
        "/nonce": (*NONCES, "0" * 32, None),
        "/signature": (*SIGNATURES, "0x" + "5a" * 65, "A" * 88, None),
        "/account_key": (BITCOIN,),
    },
    "put_menu_item": {
        "/price": (*UNITS, *UNITS_TOO),
        "/sku": SKUS,
        "/name": TEXTS,
        "/category": (*TEXTS, "x" * 61),
        "/description": ("x" * 501, 1, "\u202e"),
        "/modifier_groups": (["mod_" + "0" * 32], ["mod_0"], "mod_" + "0" * 32),
        "/allergens": (["milk", "milk"], [""], "milk", ["x"] * 21),
        "/available": ("yes", "true", 1, 2, None),
    },
    "put_modifier_group": {
        "/min": (-1, 21, 2, "0", 0.5, True),
        "/max": (0, -1, 21, 2, "1"),
        "/modifiers": ([], None, [{}]),
        "/modifiers/0/price_delta": (*UNITS, *UNITS_TOO),
        "/defaults": (["opt_" + "0" * 32], ["opt_0"], None),
    },
    "rate_shop": {
        "/stars": (0, 6, 4.5, "5", True, None, [5]),
        "/comment": ("x" * 501, "\u202e", None, 1),
        "/customer_id": ("usr_" + "0" * 32,),
    },
    "receive_stock": {"/lines/0/quantity": QUANTITIES, "/lines/0/sku": SKUS, "/lines": ([], [{}]), "/note": ("\n",)},
    "redeem_claim": {
        "/code": ("", "x" * 33, 1234567890, None, ["ABCDE-12345"]),
        "/token": ("", "x" * 513, "a.b.c", 1, ["a.b.c"]),
        "/attempt_id": ("", "short", "x" * 65, "with a blank", "ａｔｔｅｍｐｔ１", 12345678),
    },
    "register_device": {
        "/platform": ("pager", "FCM", "", None),
        "/token": ("", "x" * 15, "x" * 513, "x" * 20 + "\n", "x y" * 10, 1),
        "/label": ("x" * 201, "two\nlines"),
    },
    "register_shop": {
        "/name": TEXTS,
        "/address": ("", "x" * 201, "two\nlines"),
        "/accepts": ([], ["BTC", "BTC"], ["DOGE"], "BTC", [None], *([asset] for asset in ASSETS)),
        "/confirmations": (*({"BTC": n} for n in (0, -1, 1.5, 1001, "2", True)), {"USDT": 1}, {"DOGE": 1}),
        "/currency": ("eur", "XXX", "ЕUR", "", 1, "EURO"),
        "/timezone": ZONES,
        "/position/latitude": (85.1, -90, "north", "53.5", True, None, [53.5]),
        "/position/longitude": (180.1, -181, "", "9.99", {}),
        "/payout/bitcoin": (*ACCOUNT_KEYS, EVM),
        "/payout/evm": (*ACCOUNT_KEYS, BITCOIN),
        "/payout": ({}, {"bitcoin": BITCOIN}, None),
        "/merchant_id": ("mer_" + "0" * 32,),
    },
    "request_payout_challenge": {
        "/family": (*FAMILIES, "evm"),
        "/account_key": (*ACCOUNT_KEYS, EVM),
        "/change_id": ("pyc_0", "PYC_" + "0" * 32, "pyc_" + "0" * 32, "shp_" + "0" * 32, ""),
    },
    "set_capacity": {
        "/capacity": ({}, [], "none", 5),
        "/capacity/orders": (0, -1, 1.5, "5", True, 1_001),
        "/capacity/value": (*_SAID, "0"),
    },
    "set_confirmations": {
        "/confirmations": ({"BTC": 0}, {"BTC": 1001}, {"BTC": "2"}, {"BTC": 1.5}, {"DOGE": 2}, ["BTC"]),
        "/zero_confirmation": (
            {},
            {"max_order": "0", "hourly_cap": "0"},
            {"max_order": "2", "hourly_cap": "1"},
            "1500",
        ),
        "/zero_confirmation/max_order": (*UNITS, "1" + "0" * 10),
    },
    "submit_sweep": {"/signed": ("", "0x", "x y" * 10, "é" * 20, None, 1, "0x" + "zz" * 20, "cHNidP8=" * 10)},
    "set_delivery": {
        "/delivery": ({}, [], "none", 5),
        "/delivery/radius_m": (99, 50_001, -1, 1.5, "500", True, None),
        "/delivery/fee": (*UNITS, "10000001"),
    },
    "set_destination": {
        "/address": ("", "x" * 201, "two\nlines", None, 1),
        "/latitude": (85.1, -90, "north", True, None),
        "/longitude": (180.1, -181, "", {}),
        "/instructions": ("x" * 201, "two\nlines"),
        "/fee": ("0",),
    },
    "request_photo_upload": {
        "/content_type": ("image/gif", "image/svg+xml", "text/html", "IMAGE/PNG", "", None, 1),
        "/size": (0, -1, 5_000_001, 1.5, "4200", True, None),
    },
    "set_photos": {
        "/keys": (["x"], ["../x.png"], ["x" * 201], ["a", "a"], [1], [""] * 9, "x", None),
        "/urls": (["https://elsewhere.example/x.png"],),
    },
    "set_opening_hours": {
        "/weekly/0/weekday": (7, -1, 1.5, "0", None),
        "/weekly/0/opens": ("24:00", "25:00", "9:00", "09:60", "０９:00", "09:00:00", 900),
        "/weekly/0/closes": ("00:00", "24:01", ""),
        "/weekly": ([_SPAN, _SPAN], [*reversed(A_WEEK)], [_SPAN] * 43, None),
        "/last_order_min": (-1, 241, "15", 1.5, None, True),
    },
    "set_special_hours": {
        "/special/0/day": ("2026-02-30", "tomorrow", "", "2999-01-01", 0, None, "2026-05-06T12:00:00Z"),
        "/special/0/label": ("x" * 201, "two\nlines", None),
        "/special/0/spans": ([_HOURS, _HOURS], [{"opens": "18:00", "closes": "02:00"}], [{}], None, "closed"),
        "/special/0/spans/0/opens": ("24:00", "25:00", "9:00", "09:60", "０９:00", "12:00", 900),
        "/special": ([_HOLIDAY, _HOLIDAY], [_HOLIDAY] * 101, None, {}),
    },
    "set_preferences": {
        "/email": (*EMAILS, None),
        "/language": ("xx", "EN", "", None),
        "/channels": (["sms"], ["push", "push"], "push", ["email"] * 9),
        "/quiet_hours/starts": ("24:00", "7:00", "２２:00", "22:00\n"),
        "/quiet_hours/timezone": ZONES,
        "/user_id": ("usr_" + "0" * 32,),
    },
    "set_spreads": {
        "/spread_bp": (*({"BTC": bp} for bp in (-1, 501, 1.5, "1", True)), None, [], {"DOGE": 1}, {"USDT": 1}),
        "/currency": ("EUR",),
    },
    "update_shop": {
        "/name": tuple(text for text in TEXTS if text is not None),
        "/address": ("", "x" * 201, "two\nlines"),
        "/position": ({}, {"latitude": 91, "longitude": 0}, {"latitude": 1}, [53.5, 9.9]),
        "/accepts": ([], ["ETH", "ETH"], ["DOGE"], "ETH", [None]),
        "/currency": ("USD",),
        "/timezone": ("UTC",),
    },
    "sign_in_with_ethereum": {
        "/message": ("", " ", "hello", "x" * 4097, None, 1),
        "/signature": ("", "0x", "0x" + "0" * 129, "0x" + "0" * 131, "0X" + "0" * 130, "0x" + "g" * 130, "00" * 65),
    },
    **catalog_requests.WRONG,
    **supply_requests.WRONG,
    **notifications_requests.WRONG,
    **wallets_requests.WRONG,
}
"""None of these is taken; a member that is not in the sample is one that nobody may send."""

QUERIES: Final[dict[str, tuple[str, ...]]] = {
    "convert": (
        "asset=BTC",
        "asset=BTC&units=1&coin_units=1",
        *(f"asset=BTC&units={units}" for units in ("-1", "0.5", "1e3", "%2B1", "0x1", "01", "", "NaN", "%D9%A4")),
        *(f"asset=BTC&{name}={'9' * 79}" for name in ("units", "coin_units")),
        *(f"asset={asset}&units=1" for asset in ("DOGE", "btc", "B%D0%A2C", "", "BTC%20")),
        "asset=BTC&units=1&currency=eur",
        "asset=BTC&units=1&currency=XXX",
        "asset=BTC&units=1&currency=JPY",
    ),
    "find_nearby_shops": (
        "lat=53.55",
        *(f"lat={lat}&lon=9.99" for lat in ("91", "-86", "NaN", "Infinity", "1e999", "", "north", "%D9%A5%D9%A3")),
        *(f"lat=53.55&lon={lon}" for lon in ("181", "-180.1", "nan", "-inf")),
        *(f"lat=53.55&lon=9.99&radius_m={radius}" for radius in ("0", "-1", "100001", "1e9", "inf")),
        *(
            f"lat=53.55&lon=9.99&limit={limit}"
            for limit in ("0", "-1", "101", "1.5", "1e1", "", "ten", "1_0", "%205", "9" * 5000)
        ),
        *(f"lat=53.55&lon=9.99&cursor={cursor}" for cursor in ("x", "AAAA", "%00", "A" * 44, "=" * 60, "A" * 201)),
        "lat=53.55&lon=9.99&open_now=maybe",
        "lat=53.55&lon=9.99&open_now=1",
    ),
    "get_price_history": (
        *(f"step={step}" for step in ("", "week", "MINUTE", "60", "minute%00")),
        *(f"since={when}" for when in ("0", "1767312000", "2026-05-06", "2026-05-06T12:00:00", "now", "")),
        "since=2026-13-01T00:00:00Z",
        "until=2026-05-06T12:00:00%2B02:00",
        "since=2026-05-06T12:00:00Z&until=2026-05-06T12:00:00Z",
        "since=2026-05-06T12:00:00Z&until=2026-05-06T11:00:00Z",
        "step=minute&since=2026-05-04T12:00:00Z&until=2026-05-06T12:00:00Z",
        "since=0001-01-01T00:00:00Z",
        "until=0001-01-01T00:00:00Z",
    ),
    "get_prices": ("currency=eur", "currency=XXX", "currency=", "currency=EUR%00"),
    "get_statement": (
        "day=0",
        "day=1767312000",
        "day=2026-1-2",
        "day=2026-02-30",
        "day=today",
        "day=2026-05-06T00:00:00Z",
    ),
    "get_stock": ("limit=0", "limit=101", "limit=-1", "cursor=SHOT", "cursor=..", "cursor=", "limit=1&limit=2"),
    "get_claim_qr": ("format=gif", "format=SVG", "format=", "format=svg%00"),
    "get_receipt": ("format=xml", "format=PDF", "format=", "format=pdf%00"),
    "list_slots": ("day=today", "day=2026-02-30", "day=2020-01-01", "day=2999-01-01", "day=", "day=0"),
    "get_payment_qr": ("format=gif", "format=PNG", "format="),
    "list_refunds": ("limit=0", "limit=101", "state=lost", "state=", "cursor=x", "cursor=pay_" + "0" * 32),
    "list_sweeps": ("limit=0", "limit=101", "cursor=x", "cursor=swp_0", "cursor=pay_" + "0" * 32),
    "list_orders": ("limit=0", "limit=101", "cursor=x", "cursor=shp_" + "0" * 32, "shop_id=x", "shop_id="),
    **catalog_requests.WRONG_QUERIES,
    **supply_requests.WRONG_QUERIES,
    **notifications_requests.WRONG_QUERIES,
    **wallets_requests.WRONG_QUERIES,
}
EVERYWHERE: Final = (
    "surprise=1",
    "__proto__=1",
    "limit[]=1",
    "%00=1",
    "%ff=1",
    "=",
    "&".join(f"p{n}=1" for n in range(65)),
    "x=" + "y" * 4100,
    "Idempotency-Key=1",
    "token=1",
)
"""Queries that no operation takes."""
SEGMENTS: Final = (
    "..",
    ".",
    "%2e%2e",
    "%2E%2E%2Fadmin",
    "..%2f..%2fetc%2fpasswd",
    "..;",
    "%00",
    "%0d%0aset-cookie:%20a=b",
    "%ff",
    "%C0%AE",
    "%EF%BC%90",
    "%25%30%30",
    "*",
    "{shop_id}",
    "null",
    "0",
    "-1",
    "'%20or%20'1'='1",
    "x" * 4000,
)
"""What stands in a path where an id belongs."""
KEYS: Final[tuple[str | bytes, ...]] = (
    "",
    " ",
    "a b",
    "a\tb",
    "x" * 256,
    "x" * 20_000,
    "ключ".encode(),
    "é".encode("latin-1"),
    b"\xff\xfe",
)
"""No Idempotency-Keys; the first is none at all."""
_LONG: Final = '"' + "9" * 30 + '"'
VERSIONS: Final[tuple[str | bytes, ...]] = (
    "3",
    '"',
    '""',
    '"x"',
    'W/"3"',
    '"3", "4"',
    '"-1"',
    _LONG,
    '"٣"'.encode(),
    "x" * 9000,
)
"""What If-Match does not take."""


def spoiled_ids(known: str) -> tuple[str, ...]:
    """Return ways to write the id of something that is there wrong."""
    behind = ("%00", "%0a", "/", "%2f", ".json", ";a=b", "0")
    return (
        *(known + more for more in behind),
        known.swapcase(),
        known[:-1],
        f"/{known}",
        f"%{ord(known[0]):x}{known[1:]}",
    )
