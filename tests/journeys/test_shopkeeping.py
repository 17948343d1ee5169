"""A merchant opens a shop, hangs up a menu, fills the shelves, and is found: through HTTP alone, as their app would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from emulators.people import Api, StepFailed, sign_in, until
from emulators.platform import Platform
from shared.kernel.ids import ItemId, ModifierGroupId, ModifierId
from tests.integration.shopkeeping import BITCOIN, EVM

FAR_OUT = {"lat": 52.39, "lon": 13.09}
"""In Potsdam, where the demo has no shops."""
A_WEEK = [{"weekday": day, "opens": "00:00", "closes": "24:00"} for day in range(7)]
MILK = {
    "name": "Milk",
    "min": 1,
    "max": 1,
    "modifiers": [{"modifier_id": ModifierId.new(), "name": "Oat drink", "price_delta": "50"}],
}


@pytest.fixture
def anna(platform: Platform) -> Api:
    """Somebody who signs in for the first time."""
    return sign_in(platform.url)[1]


@pytest.fixture
def anybody(platform: Platform) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=platform.url, timeout=10.0) as client:
        yield client


def a_shop(**changes: object) -> dict[str, Any]:
    return {
        "name": "Holländisches Viertel",
        "address": "Mittelstraße 10, 14467 Potsdam",
        "position": {"latitude": FAR_OUT["lat"], "longitude": FAR_OUT["lon"]},
        "timezone": "Europe/Berlin",
        "currency": "EUR",
        "accepts": ["BTC", "USDC"],
        "payout": {"bitcoin": BITCOIN, "evm": EVM},
        **changes,
    }


def test_a_shop_that_is_opened_stocked_and_shown_is_found_by_whoever_is_near(anna: Api, anybody: httpx.Client) -> None:
    opened = anna.send("POST", "/v1/shops", a_shop())
    shop_id = opened["shop"]["shop_id"]
    path = f"/v1/shops/{shop_id}"
    assert set(opened["payout"]) == {"bitcoin", "evm"}
    assert anna.send("PUT", f"{path}/hours", {"weekly": A_WEEK})["shop"]["open"]
    group_id, item_id = ModifierGroupId.new(), ItemId.new()
    anna.send("PUT", f"{path}/menu/groups/{group_id}", MILK)
    item = {"name": "Flat White", "category": "Coffee", "price": "420", "sku": "shot", "modifier_groups": [group_id]}
    assert anna.send("PUT", f"{path}/menu/items/{item_id}", item)["version"] == 2
    anna.send("POST", f"{path}/stock/receipts", {"lines": [{"sku": "shot", "quantity": 20}]})
    shots = {"sku": "shot", "unit": "piece", "on_hand": 20, "reserved": 0, "free": 20, "version": 1, "sold_out": False}
    assert anna.get(f"{path}/stock")["levels"] == [shots]

    def shown() -> bool | None:
        return anybody.get(path).json().get("open") or None

    until("the shop to be shown as open", shown)
    near = anybody.get("/v1/shops", params={**FAR_OUT, "radius_m": "500", "open_now": "true"}).json()
    assert shop_id in [shop["shop_id"] for shop in near["shops"]]

    def priced() -> dict[str, Any] | None:
        menu: dict[str, Any] = anybody.get(f"{path}/menu").json()
        return menu if menu["items"] and len(menu["items"][0]["prices"]) == 2 else None

    menu = until("the menu to have prices in both coins", priced)
    assert [price["asset"] for price in menu["items"][0]["prices"]] == ["BTC", "USDC"]


def test_what_was_read_is_not_sent_again_and_what_changed_meanwhile_is_not_overwritten(
    anna: Api, anybody: httpx.Client
) -> None:
    shop_id = anna.send("POST", "/v1/shops", a_shop())["shop"]["shop_id"]
    path = f"/v1/shops/{shop_id}"
    read = anybody.get(path)
    again = anybody.get(path, headers={"if-none-match": read.headers["etag"]})
    assert (read.status_code, again.status_code, again.content) == (200, 304, b"")
    token = anna._client.headers["authorization"]
    for key, status in (("first", 200), ("second", 412)):
        answer = anybody.put(
            f"{path}/hours",
            json={"weekly": A_WEEK},
            headers={"authorization": token, "idempotency-key": key, "if-match": read.headers["etag"]},
        )
        assert answer.status_code == status


def test_nobody_else_changes_or_counts_it(anna: Api, platform: Platform) -> None:
    shop_id = anna.send("POST", "/v1/shops", a_shop())["shop"]["shop_id"]
    path = f"/v1/shops/{shop_id}"
    _, bela = sign_in(platform.url)
    for method, what, body in (
        ("PUT", "hours", {"weekly": []}),
        ("PUT", f"menu/groups/{ModifierGroupId.new()}", MILK),
        ("PUT", f"menu/items/{ItemId.new()}", {"name": "a", "category": "b", "price": "1"}),
        ("PUT", "menu", {"items": {ItemId.new(): {"name": "a", "category": "b", "price": "1"}}}),
        ("POST", "stock/receipts", {"lines": [{"sku": "a", "quantity": 1}]}),
    ):
        with pytest.raises(StepFailed, match="answered 404"):
            bela.send(method, f"{path}/{what}", body)
    with pytest.raises(StepFailed, match="answered 404"):
        bela.get(f"{path}/stock")


@pytest.mark.parametrize(
    "body",
    [
        a_shop(payout={"bitcoin": "xprv9s21ZrQH143K3", "evm": EVM}),
        a_shop(payout={"bitcoin": EVM, "evm": EVM}),
        a_shop(timezone="Mars/Olympus"),
        a_shop(name="\u0000"),
        a_shop(position={"latitude": 1e308, "longitude": 0}),
        a_shop(merchant_id="mer_" + "0" * 32),
    ],
)
def test_a_shop_that_makes_no_sense_is_refused_without_repeating_what_was_sent(anna: Api, body: dict[str, Any]) -> None:
    with pytest.raises(StepFailed, match="answered 400") as refused:
        anna.send("POST", "/v1/shops", body)
    assert "xprv9" not in str(refused.value)
    assert EVM not in str(refused.value)
