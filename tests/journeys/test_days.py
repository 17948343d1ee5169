"""A day of a merchant, a customer and a barista through HTTP, at a shop that has everything a shop can have."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emulators.people import Barista, Customer, StepFailed, until
from emulators.platform import Platform
from emulators.wallets import EvmWallet
from shared.kernel.ids import DiscountId, ItemId, ModifierGroupId, ModifierId
from tests.journeys.cast import Merchant

JSON = dict[str, Any]
BEANS, MILK, OAT = "beans", "milk", "oat-milk"


class Day:
    """A merchant with two shops, the first of which is set up in full."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.merchant = Merchant.new(platform, shops=2)
        self.here, self.there = self.merchant.places
        self.path = f"/v1/shops/{self.here.shop_id}"
        self.flat_white, self.oat = str(ItemId.new()), str(ModifierId.new())

    def put(self, what: str, body: JSON) -> JSON:
        return self.merchant.owner.api.send("PUT", f"{self.path}/{what}", body)

    def post(self, what: str, body: JSON) -> JSON:
        return self.merchant.owner.api.send("POST", f"{self.path}/{what}", body)

    def opens(self) -> None:
        """Set everything up, as an owner does on the day before."""
        milk = [{"modifier_id": self.oat, "name": "Oat", "price_delta": "50"}]
        group_id = str(ModifierGroupId.new())
        group = {"name": "Milk", "min": 0, "max": 1, "modifiers": milk}
        item = {"name": "Flat white", "category": "Coffee", "price": "420", "modifier_groups": [group_id]}
        self.put("menu", {"items": {self.flat_white: item}, "groups": {group_id: group}})
        self.put("menu/taxes", {"taxes": [{"name": "VAT", "rate_bp": 1900, "inclusion": "inclusive"}]})
        goods = [_takes(BEANS, 1, "kg"), _takes(MILK, 2, "l"), _takes(OAT, 1, "l")]
        self.post("stock/receipts", {"lines": goods, "note": "by bike"})
        for product, body in (
            (self.flat_white, {"takes": [_takes(BEANS, 18, "g"), _takes(MILK, 160, "ml")]}),
            (self.oat, {"instead": [{"sku": MILK, "by": OAT}]}),
        ):
            self.put("recipes", {"product_id": product, **body})
        self.put(f"discounts/{DiscountId.new()}", {"name": "First cup", "code": "FIRST", "amount": "100", "uses": 1})
        self.put("capacity", {"capacity": {"orders": 50, "items": 200}})
        day = (datetime.now(UTC) + timedelta(days=40)).date().isoformat()
        self.put("special-hours", {"special": [{"day": day, "label": "Stocktaking", "spans": []}]})

    def stock(self) -> dict[str, tuple[int, int]]:
        """Return what is on hand and what is reserved, by SKU."""
        shown = self.merchant.owner.api.get(f"{self.path}/stock")["levels"]
        return {each["sku"]: (int(each["on_hand"]), int(each["reserved"])) for each in shown}

    def lines(self, quantity: int) -> list[JSON]:
        return [{"item_id": self.flat_white, "quantity": quantity, "modifiers": [self.oat]}]


def _takes(sku: str, quantity: int, unit: str) -> JSON:
    return {"sku": sku, "quantity": quantity, "unit": unit}


@pytest.fixture(scope="module")
def day(platform: Platform) -> Day:
    day = Day(platform)
    day.opens()
    return day


def test_a_customers_and_a_baristas_day(day: Day, evm_wallet: EvmWallet) -> None:
    guest, barista = (
        Customer(day.platform.url),
        Barista(day.platform.url, day.here.shop_id, day.merchant.key("barista")),
    )
    near = guest.shops_near(53.5503, 9.9926)
    assert day.here.shop_id in [each["shop_id"] for each in near]
    assert guest.api.get(f"{day.path}/estimate")["minutes"] >= 1
    slot = guest.api.get(f"{day.path}/slots")["slots"][0]
    wanted = {"shop_id": day.here.shop_id, "lines": day.lines(1), "discount_code": "first", "tip": "80"}
    placed = guest.api.send("POST", "/v1/orders", {**wanted, "pickup_at": slot["starts_at"]})
    assert placed["total"]["units"] == str(470 - 100 + 80)
    with pytest.raises(StepFailed, match="409"):
        guest.api.send("POST", "/v1/orders", wanted)  # the code is used up
    changed = guest.api.send(
        "PUT", f"/v1/orders/{placed['order_id']}", {"lines": day.lines(2), "discount_code": "FIRST", "tip": "80"}
    )
    assert changed["total"]["units"] == str(2 * 470 - 100 + 80)
    assert day.stock()[BEANS] == (1000, 36)
    assert day.stock()[OAT] == (1000, 320)
    assert day.stock()[MILK] == (2000, 0)
    order_id = placed["order_id"]
    payment = guest.request_payment(order_id, "USDC")
    with pytest.raises(StepFailed, match="409"):
        guest.api.send("PUT", f"/v1/orders/{order_id}", {"lines": day.lines(1)})
    evm_wallet.pay("USDC", payment["address"], int(payment["due"]["units"]))
    evm_wallet.mine(int(payment["confirmations"]))
    code = guest.claim(order_id)["code"]
    assert order_id in [each["order_id"] for each in barista.queue()]
    barista.prepare(order_id)
    until("the beans to be used", lambda: day.stock()[BEANS] == (1000 - 36, 0) or None)
    barista.ready(order_id)
    barista.redeem(code)
    guest.wait_for(order_id, "completed")
    rating = guest.api.send("PUT", f"/v1/orders/{order_id}/rating", {"stars": 5, "comment": "Silky"})
    assert rating["stars"] == 5
    assert guest.api.get(f"{day.path}/ratings")["summary"] == {"average": 5.0, "count": 1}
    receipt = guest.api.get(f"/v1/orders/{order_id}/receipt")
    assert receipt["total"]["units"] == changed["total"]["units"]
    assert [tax["name"] for tax in receipt["taxes"]] == ["VAT"]
    assert receipt["payments"][0]["received"]["units"] == payment["due"]["units"]
    told = [step["type"] for step in guest.api.get(f"/v1/orders/{order_id}/timeline")["steps"]]
    assert told[:2] == ["order.placed.v1", "order.modified.v1"]
    assert told.index("payment.settled.v1") < told.index("order.confirmed.v1") < told.index("order.ready.v1")
    assert "order.completed.v1" in told


def test_a_merchants_day(day: Day) -> None:
    owner = day.merchant.owner.api
    moved = owner.get(f"{day.path}/stock/movements", sku=BEANS)["movements"]
    assert [each["reason"] for each in moved] == ["consumed", "received"]
    day.post("stock/adjustments", {"reason": "waste", "lines": [{"sku": MILK, "delta": -500}], "note": "spilled"})
    day.post("stock/transfers", {"to_shop_id": day.there.shop_id, "lines": [_takes(OAT, 250, "ml")]})
    assert day.stock()[MILK] == (1500, 0)
    assert day.stock()[OAT] == (1000 - 320 - 250, 0)
    day.post("pause", {"reason": "The grinder broke"})
    guest = Customer(day.platform.url)

    def paused() -> bool:
        """Ask for what nobody sells: a shop that is paused refuses before it looks."""
        with pytest.raises(StepFailed) as told:
            guest.order(day.here.shop_id, [{"item_id": str(ItemId.new())}])
        return "grinder" in str(told.value)

    until("the pause to be known", lambda: paused() or None)
    day.post("resume", {})
    until("the shop to take orders again", lambda: not paused() or None)
    statement = owner.get(f"{day.path}/ledger", day=datetime.now(UTC).date().isoformat())
    assert all(each["balanced"] for each in statement["closing"])
    exported = owner.get(f"{day.path}/menu/export")
    assert day.flat_white in str(exported)
    renamed = owner.send("PATCH", day.path, {"name": "Hafenrösterei"}, key=uuid.uuid4().hex)
    assert renamed["shop"]["name"] == "Hafenrösterei"


def test_a_shop_that_shares_nothing_with_another_merchants(day: Day) -> None:
    rival = Customer(day.platform.url)
    for method, what in (("POST", "pause"), ("PUT", "capacity"), ("PUT", "special-hours")):
        body: JSON = {"capacity": None} if what == "capacity" else {"special": []} if "special" in what else {}
        with pytest.raises(StepFailed, match="404"):
            rival.api.send(method, f"{day.path}/{what}", body)
