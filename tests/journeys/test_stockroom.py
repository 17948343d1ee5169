"""A manager in the stockroom, through HTTP: beans by the kilogram, recipes, waste, a count, a van to the other shop."""

from __future__ import annotations

from typing import Any

import pytest

from emulators.people import Customer, StepFailed, until
from emulators.platform import Platform
from shared.adapters.postgres.database import Sql
from tests.journeys.cast import Merchant, Place, rows_of

JSON = dict[str, Any]
_LOW = Sql("select count(*) from events where type = 'supply.stock_low.v1' and merchant_id = :merchant_id")


@pytest.fixture(scope="module")
def merchant(platform: Platform) -> Merchant:
    return Merchant.new(platform, shops=2)


def levels(merchant: Merchant, place: Place) -> dict[str, JSON]:
    shelf = merchant.owner.api.get(f"/v1/shops/{place.shop_id}/stock")
    return {level["sku"]: level for level in shelf["levels"]}


def test_a_day_in_the_stockroom(platform: Platform, merchant: Merchant) -> None:
    here, there = merchant.places
    send, path = merchant.owner.api.send, f"/v1/shops/{here.shop_id}"
    goods = [{"sku": "beans", "quantity": 1, "unit": "kg"}, {"sku": "milk", "quantity": 2, "unit": "l"}]
    send("POST", f"{path}/stock/receipts", {"lines": goods})
    takes = [{"sku": "beans", "quantity": 18, "unit": "g"}, {"sku": "milk", "quantity": 160, "unit": "ml"}]
    send("PUT", f"{path}/recipes", {"product_id": here.item_id, "takes": takes})
    assert [one["product_id"] for one in merchant.owner.api.get(f"{path}/recipes")["recipes"]] == [here.item_id]
    customer = Customer(platform.url)

    def by_recipe() -> int | None:
        customer.order(here.shop_id, [{"item_id": here.item_id, "quantity": 2}])
        return int(levels(merchant, here)["beans"]["reserved"]) or None

    until("orders to follow the recipe", by_recipe)
    beans = levels(merchant, here)["beans"]
    assert (beans["unit"], beans["on_hand"], beans["reserved"] % 36) == ("g", 1000, 0)

    send("PUT", f"{path}/stock/reorder-points", {"sku": "milk", "reorder_point": 1500})
    waste = {"reason": "waste", "lines": [{"sku": "milk", "delta": -1, "unit": "l"}], "note": "left out overnight"}
    send("POST", f"{path}/stock/adjustments", waste)
    merchant_id = merchant.owner.user_id.replace("usr_", "mer_")
    until("milk to be told as low", lambda: rows_of(platform.env, _LOW, merchant_id=merchant_id)[0][0] == 1 or None)

    milk = levels(merchant, here)["milk"]
    count = {"sku": "milk", "counted": 1040, "version": milk["version"] - 1}
    with pytest.raises(StepFailed, match="The stock moved since it was counted"):
        send("POST", f"{path}/stock/adjustments", {"reason": "count", "lines": [count]})
    send("POST", f"{path}/stock/adjustments", {"reason": "count", "lines": [{**count, "version": milk["version"]}]})

    van = {"to_shop_id": there.shop_id, "lines": [{"sku": "beans", "quantity": 200}]}
    send("POST", f"{path}/stock/transfers", van)
    too_much = {**van, "lines": [{"sku": "beans", "quantity": 1, "unit": "kg"}]}
    with pytest.raises(StepFailed, match="Less is free than would be taken away"):
        send("POST", f"{path}/stock/transfers", too_much)
    assert levels(merchant, there)["beans"]["on_hand"] == 200

    moved = merchant.owner.api.get(f"{path}/stock/movements", sku="milk")["movements"]
    assert [(line["reason"], line["delta"], line["on_hand"]) for line in moved] == [
        ("count", 40, 1040),
        ("waste", -1000, 1000),
        ("received", 2000, 2000),
    ]
