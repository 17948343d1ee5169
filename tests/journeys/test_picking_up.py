"""Picking up through HTTP: a QR code that a till checks offline, a friend who comes instead, a phone that is stolen."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from emulators.people import Api, Barista, Customer, StepFailed
from emulators.platform import Platform
from emulators.wallets import EvmWallet
from shared.claims.verify_claim import Verdict
from shared.wiring.verify_claim import main

JSON = dict[str, Any]


class Guest(Customer):
    """Somebody who pays in dollars and may send a friend."""

    def pays(self, shop: dict[str, str], wallet: EvmWallet) -> str:
        """Order whatever comes first, pay, and return the order once it has a claim."""
        item = self.menu(shop["shop_id"])["items"][0]
        order_id = str(self.order(shop["shop_id"], [{"item_id": item["item_id"]}])["order_id"])
        payment = self.request_payment(order_id, "USDC")
        wallet.pay("USDC", payment["address"], int(payment["due"]["units"]))
        wallet.mine(int(payment["confirmations"]))
        self.claim(order_id)
        return order_id

    def hand_on(self, order_id: str, to: str | None = None) -> JSON:
        return self.api.send("POST", f"/v1/orders/{order_id}/claim/delegate", {"to": to})


def redeem(barista: Barista, **said: str) -> JSON:
    body = {**said, "attempt_id": uuid.uuid4().hex}
    return barista.api.send("POST", f"/v1/shops/{barista.shop_id}/claims/redeem", body)


def made(barista: Barista, order_id: str) -> None:
    barista.prepare(order_id)
    barista.ready(order_id)


def test_a_friend_picks_up_by_a_code_that_the_till_has_checked_offline(
    platform: Platform, shop: dict[str, str], barista: Barista, evm_wallet: EvmWallet, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(barista.api.get("/v1/claims/key")))
    guest, friend = Guest(platform.url), Guest(platform.url)
    order_id = guest.pays(shop, evm_wallet)
    first = guest.claim(order_id)
    handed = guest.hand_on(order_id, friend.user_id)
    assert (handed["holder_id"], "code" in handed) == (friend.user_id, False)
    token = friend.claim(order_id)["token"]
    picture = friend.api.raw(f"/v1/orders/{order_id}/claim/qr")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert int(picture.headers["refresh"]) <= 30
    at_the_till = ["--keys", str(keys), "--shop", shop["shop_id"]]
    assert main([token, *at_the_till]) == Verdict.GENUINE
    assert main([first["code"], *at_the_till]) == Verdict.UNREADABLE
    made(barista, order_id)
    for dead in ({"code": first["code"]}, {"token": first["token"]}):
        with pytest.raises(StepFailed, match="404"):
            redeem(barista, **dead)
    assert redeem(barista, token=token)["order_id"] == order_id
    guest.wait_for(order_id, "completed")


def test_a_stolen_phone_shows_a_dead_code_and_the_customer_takes_a_new_one(
    platform: Platform, shop: dict[str, str], barista: Barista, evm_wallet: EvmWallet
) -> None:
    guest = Guest(platform.url)
    order_id = guest.pays(shop, evm_wallet)
    stolen = guest.claim(order_id)["code"]
    made(barista, order_id)
    revoked = barista.api.send("POST", f"/v1/orders/{order_id}/claim/revoke")
    assert revoked["status"] == "revoked"
    with pytest.raises(StepFailed, match="404"):
        redeem(barista, code=stolen)
    assert redeem(barista, code=guest.hand_on(order_id)["code"])["order_id"] == order_id


def test_a_till_that_is_let_go_is_shut_out_at_once(platform: Platform, owner: Api, shop: dict[str, str]) -> None:
    shop_id = shop["shop_id"]
    hired = owner.send("POST", "/v1/api-keys", {"role": "barista", "shop_ids": [shop_id], "label": "till"})
    till = Barista(platform.url, shop_id, hired["key"])
    assert isinstance(till.queue(), list)
    owner.send("DELETE", f"/v1/api-keys/{hired['key_id']}")
    with pytest.raises(StepFailed, match="401"):
        till.queue()
    listed = owner.get("/v1/api-keys", revoked="true", shop_id=shop_id)["api_keys"]
    assert hired["key_id"] in [each["key_id"] for each in listed]
