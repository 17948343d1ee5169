"""Crowds through HTTP: one key sent fifty times is one order, and nobody gets a portion that isn't there."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from emulators.people import Api, Customer, StepFailed, until
from emulators.platform import Platform
from shared.kernel.ids import ItemId

JSON = dict[str, Any]
PORTIONS = 20
CROWD = 200


@pytest.fixture
def rare(owner: Api, shop: JSON, platform: Platform) -> JSON:
    """An order line for an item of which there are twenty portions, known to be on sale."""
    item, sku = ItemId.new(), f"rare-{uuid.uuid4().hex[:8]}"
    shop_id = shop["shop_id"]
    owner.send(
        "PUT", f"/v1/shops/{shop_id}/menu/items/{item}", {"name": sku, "category": "Rare", "price": "500", "sku": sku}
    )
    taster, line = Customer(platform.url), {"item_id": item, "quantity": 1}

    def on_sale() -> bool | None:
        try:
            taster.order(shop_id, [line])
        except StepFailed as refused:
            return True if "Not enough is left" in str(refused) else None
        raise AssertionError("an item without stock was sold")

    until("the item to be on sale", on_sale)
    owner.send("POST", f"/v1/shops/{shop_id}/stock/receipts", {"lines": [{"sku": sku, "quantity": PORTIONS}]})
    return {"line": line, "sku": sku}


def stock_of(owner: Api, shop: JSON, sku: str) -> JSON:
    """Return the shelf's line of a SKU."""
    shelf = owner.get(f"/v1/shops/{shop['shop_id']}/stock", limit=100)
    return next(dict(level) for level in shelf["levels"] if level["sku"] == sku)


def at_once(count: int, act: Callable[[int], str]) -> list[str]:
    """Return what each of so many threads says."""
    with ThreadPoolExecutor(50) as threads:
        return list(threads.map(act, range(count)))


def test_the_same_key_fifty_times_at_once_is_one_order(platform: Platform, owner: Api, shop: JSON, rare: JSON) -> None:
    customer, key = Customer(platform.url), uuid.uuid4().hex
    orders = at_once(50, lambda _: str(customer.order(shop["shop_id"], [rare["line"]], key=key)["order_id"]))
    assert len(set(orders)) == 1
    assert stock_of(owner, shop, rare["sku"])["reserved"] == 1


def test_two_hundred_customers_race_for_twenty_portions(platform: Platform, owner: Api, shop: JSON, rare: JSON) -> None:
    crowd = [Customer(platform.url) for _ in range(CROWD)]

    def grab(number: int) -> str:
        try:
            crowd[number].order(shop["shop_id"], [rare["line"]])
        except StepFailed as refused:
            return "sold out" if "Not enough is left" in str(refused) else str(refused)
        return "ordered"

    assert Counter(at_once(CROWD, grab)) == {"ordered": PORTIONS, "sold out": CROWD - PORTIONS}
    shelf = stock_of(owner, shop, rare["sku"])
    assert (shelf["on_hand"], shelf["reserved"]) == (PORTIONS, PORTIONS)
