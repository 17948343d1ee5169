"""A merchant's day at the menu, through HTTP alone: taxes, dayparts, codes, what is sold out, pictures, tables."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from emulators.people import Customer, until
from emulators.platform import Platform
from shared.kernel.ids import DiscountId, ItemId
from tests.journeys.cast import A_WEEK, Merchant, bearer, token_of

JSON = dict[str, Any]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


@pytest.fixture(scope="module")
def http(platform: Platform) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=platform.url, timeout=10.0) as client:
        yield client


class Day:
    """A shop, who runs it, who stands at its counter, and who orders there."""

    def __init__(self, platform: Platform, http: httpx.Client) -> None:
        self.http = http
        self.merchant = Merchant.new(platform, shops=1)
        (self.place,) = self.merchant.places
        self.path = f"/v1/shops/{self.place.shop_id}"
        self.item = f"{self.path}/menu/items/{self.place.item_id}"
        self.owner, self.barista = token_of(self.merchant.owner.api), self.merchant.key("barista", self.place)
        self.customer = token_of(Customer(platform.url).api)

    def runs(self, method: str, path: str, body: JSON | None = None, *, by: str | None = None) -> JSON:
        """Send as the owner, or as `by`; return what is said."""
        reply = self.http.request(method, path, json=body, headers=bearer(by or self.owner))
        assert reply.is_success, reply.text
        told: JSON = reply.json()
        return told

    def order(self, quantity: int = 1, **more: object) -> httpx.Response:
        line = {"item_id": self.place.item_id, "quantity": quantity}
        body = {"shop_id": self.place.shop_id, "lines": [line], **more}
        return self.http.post("/v1/orders", json=body, headers=bearer(self.customer))

    def menu(self) -> JSON:
        told: JSON = self.http.get(f"{self.path}/menu").json()
        return told

    def shown(self, version: int) -> JSON:
        """The menu, once everybody is shown this version."""
        return until("the change to be shown", lambda: menu if (menu := self.menu())["version"] == version else None)


@pytest.fixture(scope="module")
def day(platform: Platform, http: httpx.Client) -> Day:
    return Day(platform, http)


def test_an_order_by_an_old_menu_is_refused_with_what_changed_and_taken_by_the_new(day: Day) -> None:
    version = day.menu()["version"]
    put = {"name": "Flat White", "category": "Coffee", "price": "450", "sku": "shot"}
    now = day.runs("PUT", day.item, put)["version"]
    refused = day.order(menu_version=version)
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (409, "menu-changed")
    change = {"item_id": day.place.item_id, "change": "price", "before": "420", "now": "450"}
    assert change in refused.json()["changes"]
    placed = day.order(menu_version=refused.json()["menu_version"])
    assert (placed.status_code, placed.json()["total"]["units"], placed.json()["menu_version"]) == (201, "450", now)


def test_a_barista_marks_as_sold_out_what_is_gone_and_the_menu_says_so(day: Day) -> None:
    until_ = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)
    out = {"sold_out": True, "until": until_.isoformat()}
    version = day.runs("PUT", f"{day.item}/availability", out, by=day.barista)["version"]
    (item,) = day.shown(version)["items"]
    assert (item["on_sale"], datetime.fromisoformat(item["sold_out_until"])) == (False, until_)
    refused = day.order(menu_version=version)
    assert (refused.status_code, refused.json()["item_id"]) == (409, day.place.item_id)
    version = day.runs("PUT", f"{day.item}/availability", {"sold_out": False}, by=day.barista)["version"]
    assert day.order(menu_version=version).status_code == 201


def test_an_order_shows_what_was_taken_off_and_the_tax_in_it(day: Day) -> None:
    taxes = [
        {"name": "VAT", "rate_bp": 1900, "inclusion": "inclusive"},
        {"name": "Cup", "rate_bp": 500, "inclusion": "exclusive"},
    ]
    version = day.runs("PUT", f"{day.path}/menu/taxes", {"taxes": taxes})["version"]
    discount_id, code = DiscountId.new(), f"C{uuid.uuid4().hex[:10].upper()}"
    day.runs(
        "PUT", f"{day.path}/discounts/{discount_id}", {"name": "Opening", "code": code, "rate_bp": 1000, "uses": 1}
    )
    answer = until(
        "the code to be in force",
        lambda: reply if (reply := day.order(menu_version=version, discount_code=code.lower())).is_success else None,
    )
    order = answer.json()
    assert order["menu_version"] == version
    assert order["discount"] == {"currency": "EUR", "units": "45"}
    assert [(tax["name"], tax["units"]) for tax in order["taxes"]] == [("VAT", "65"), ("Cup", "17")]
    assert order["total"]["units"] == "422"  # 4.50 − 0.45, of it 0.65 VAT, and 0.17 on 3.40
    assert day.order(discount_code=code).json()["type"].rpartition("/")[2] == "discount-used-up"
    path = f"/v1/orders/{order['order_id']}/cancel"
    assert day.http.post(path, json={"reason": ""}, headers=bearer(day.customer)).status_code == 200
    until("the use to be given back", lambda: day.order(discount_code=code).status_code == 201 or None)
    (listed,) = day.runs("GET", f"{day.path}/discounts")["discounts"]
    assert (listed["discount_id"], listed["used"]) == (discount_id, 1)
    day.runs("PUT", f"{day.path}/menu/taxes", {"taxes": []})


def test_a_picture_goes_to_the_bucket_and_onto_the_menu(day: Day) -> None:
    asked = day.runs("POST", f"{day.item}/image-uploads", {"content_type": "image/png", "size": len(PNG)})
    headers = {"content-type": asked["headers"]["content-type"]}
    assert httpx.put(asked["url"], content=PNG, headers=headers, timeout=10.0).status_code == 200
    version = day.runs("PUT", f"{day.item}/image", {"key": asked["key"]})["version"]
    (item,) = day.shown(version)["items"]
    assert httpx.get(item["image_url"], timeout=10.0).content == PNG


def test_a_menu_that_goes_out_as_a_table_or_a_document_comes_back_the_same(day: Day) -> None:
    weekly = {"dayparts": [{"name": "All week", "weekly": A_WEEK, "categories": ["Coffee"]}]}
    version = day.runs("PUT", f"{day.path}/menu/dayparts", weekly)["version"]
    before = day.shown(version)
    table = day.http.get(f"{day.path}/menu/export", params={"format": "csv"}, headers=bearer(day.owner))
    assert table.headers["content-type"].startswith("text/csv")
    document = day.runs("GET", f"{day.path}/menu/export")
    version = day.runs("PUT", f"{day.path}/menu/csv", {"csv": table.text})["version"]
    again = day.runs("PUT", f"{day.path}/menu", document)["version"]
    after = day.shown(again)
    assert again == version + 1
    same = ("items", "groups", "dayparts", "taxes")
    assert [[_plain(each) for each in before[name]] for name in same] == [
        [_plain(each) for each in after[name]] for name in same
    ]
    rows = len(list(csv.reader(io.StringIO(table.text))))  # the header is none that is counted, and one more is sent
    wrong = day.http.put(f"{day.path}/menu/csv", json={"csv": table.text + "item,x\r\n"}, headers=bearer(day.owner))
    assert (wrong.status_code, wrong.json()["rows"]) == (400, [rows])
    assert day.menu()["version"] == again


def _plain(each: JSON) -> JSON:
    """What does not change with the rates."""
    return {name: value for name, value in each.items() if name != "prices"}


def test_whoever_types_it_wrong_finds_it_and_what_is_archived_is_found_no_more(day: Day) -> None:
    item_id = ItemId.new()
    path = f"{day.path}/menu/items/{item_id}"
    version = day.runs("PUT", path, {"name": "Cappuccino", "category": "Coffee", "price": "390"})["version"]
    day.shown(version)
    found = day.http.get(f"{day.path}/menu/search", params={"q": "capuchino"}).json()["found"]
    assert [each["item"]["item_id"] for each in found] == [item_id]
    version = day.runs("DELETE", path)["version"]
    day.shown(version)
    assert day.http.get(f"{day.path}/menu/search", params={"q": "capuchino"}).json()["found"] == []
