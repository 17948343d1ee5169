"""A shop's spread, from the setting to the quote that its customer checks: the menu, the quote and the check agree."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from emulators.people import Customer, until
from emulators.platform import Platform
from shared.wiring.verify_quote import main
from tests.journeys.cast import Merchant


def test_a_spread_is_in_the_menu_and_in_the_quote_that_the_customer_checks(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    merchant = Merchant.new(platform, shops=1)
    place = merchant.places[0]
    spreads = {"spread_bp": {"USDC": 250}}
    shown = merchant.owner.api.send("PUT", f"/v1/shops/{place.shop_id}/spreads", spreads)
    assert shown["shop"]["spread_bp"] == {"USDC": 250}

    customer = Customer(platform.url)
    order = customer.order(place.shop_id, [{"item_id": place.item_id}])
    payment = customer.request_payment(order["order_id"], "USDC")
    quote = payment["quote"]
    assert quote["spread_bp"] == 250
    median = sorted(Decimal(said["price"]) for said in quote["feeds"])[len(quote["feeds"]) // 2]
    assert abs(Decimal(quote["rate"]) / median - Decimal("0.975")) < Decimal("0.001")

    def in_the_menu() -> bool | None:
        rate = Decimal(customer.menu(place.shop_id)["rates"]["USDC"]["rate"])
        return True if abs(rate / Decimal(quote["rate"]) - 1) < Decimal("0.001") else None

    until("the spread to be in the menu, which is kept for some seconds", in_the_menu)

    file = tmp_path / "payment.json"
    file.write_text(json.dumps(payment))
    assert main([str(file), "--url", platform.url]) == 0
    assert "less the shop's 2.50 %" in capsys.readouterr().out
    file.write_text(json.dumps({**payment, "address": "0x" + "5a" * 20}))
    assert main([str(file), "--url", platform.url]) == 1
    file.write_text(json.dumps({**payment, "quote": {**quote, "spread_bp": 0}}))
    assert main([str(file), "--url", platform.url]) == 1
    assert main([str(file), "--url", platform.url + "/elsewhere"]) == 3
