"""A shop's payout account through HTTP: proven, changed by its keys and time, told of by mail, and nowhere in clear."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from emulators.merchant_keys import MerchantAccount, fresh_accounts
from emulators.people import Customer, Mailbox, StepFailed, prove_payouts, until
from emulators.platform import Platform
from emulators.wallets import BitcoinWallet
from shared.adapters.bitcoin.address import BitcoinAddresses
from shared.adapters.postgres.database import Sql
from shared.kernel.ids import ItemId
from tests.journeys.cast import A_WEEK, a_shop, rows_of

JSON = dict[str, Any]
INDEX = Sql("select derivation_index from payments where payment_id = :payment_id")
TABLES = Sql("select table_name from information_schema.tables where table_schema = 'public'")


class Opened:
    """A merchant with a new shop, its menu and its shelves, whose accounts nobody has proven."""

    def __init__(self, platform: Platform) -> None:
        self.owner = Customer(platform.url)
        self.accounts = fresh_accounts()
        self.api = self.owner.api
        payout = {family: account.xpub for family, account in self.accounts.items()}
        self.shop_id = str(self.api.send("POST", "/v1/shops", a_shop(payout=payout))["shop"]["shop_id"])
        path = f"/v1/shops/{self.shop_id}"
        self.api.send("PUT", f"{path}/hours", {"weekly": A_WEEK})
        self.item_id = str(ItemId.new())
        item = {"name": "Flat White", "category": "Coffee", "price": "420", "sku": "shot"}
        self.api.send("PUT", f"{path}/menu", {"items": {self.item_id: item}, "groups": {}})
        self.api.send("POST", f"{path}/stock/receipts", {"lines": [{"sku": "shot", "quantity": 100}]})

    def ordered(self, customer: Customer) -> str:
        """Let a customer order."""
        return str(customer.order(self.shop_id, [{"item_id": self.item_id, "quantity": 1}])["order_id"])

    def signed(self, account: MerchantAccount, **about: str) -> JSON:
        """Return an answered challenge."""
        asked = self.api.send("POST", f"/v1/shops/{self.shop_id}/payout/challenges", about)
        return {"nonce": asked["nonce"], "signature": account.sign(asked["message"])}


@pytest.fixture
def opened(platform: Platform) -> Opened:
    return Opened(platform)


def test_an_account_is_proven_changed_and_told_of_and_payments_follow_it(
    platform: Platform, opened: Opened, bitcoin_wallet: BitcoinWallet, env: Mapping[str, str]
) -> None:
    path, old = f"/v1/shops/{opened.shop_id}/payout", opened.accounts["bitcoin"]
    mail = f"{opened.owner.user_id}@example.com"
    opened.owner.be_told(mail, mailbox=Mailbox(env["AWS_ENDPOINT_URL"]))
    customer = Customer(platform.url)
    order_id = opened.ordered(customer)
    with pytest.raises(StepFailed, match="can't be paid in this coin yet"):
        customer.request_payment(order_id, "BTC")
    prove_payouts(opened.api, opened.shop_id, opened.accounts.values())
    before = customer.request_payment(order_id, "BTC")
    assert before["address"] == _address(platform, before, old)

    new = fresh_accounts()["bitcoin"]
    about = {"family": "bitcoin", "account_key": new.xpub}
    proof = opened.signed(new, **about)
    change = opened.api.send("POST", f"{path}/changes", {**about, **proof})
    assert change["standing"] == "proposed"
    confirm = f"{path}/changes/{change['change_id']}/confirm"
    with pytest.raises(StepFailed, match="Somebody else has to confirm this"):
        opened.api.send("POST", confirm, {})
    agreed = opened.signed(old, family="bitcoin", change_id=change["change_id"])
    assert opened.api.send("POST", confirm, agreed)["standing"] == "confirmed"

    def effective() -> bool | None:
        return opened.api.get(path)["changes"][0]["standing"] == "effective" or None

    until("the change to take effect", effective)
    after = customer.request_payment(opened.ordered(customer), "BTC")
    assert after["address"] == _address(platform, after, new)

    bitcoin_wallet.pay(before["address"], int(before["due"]["units"]))
    bitcoin_wallet.mine()
    customer.wait_for(order_id, "confirmed")
    until("the owner to hear of all of it", lambda: len(Mailbox(env["AWS_ENDPOINT_URL"]).mails(mail)) >= 5 or None)
    _nowhere_in_clear(platform, [*opened.accounts.values(), new], known=change["fingerprint"])


def _address(platform: Platform, payment: JSON, account: MerchantAccount) -> str:
    ((index,),) = rows_of(platform.env, INDEX, payment_id=payment["payment_id"])
    return BitcoinAddresses("regtest").receive(account.xpub, index).address


def _nowhere_in_clear(platform: Platform, accounts: list[MerchantAccount], *, known: str) -> None:
    """Look for account keys, whole and in pieces, in every table and log of the platform; `known` is to be found."""
    pieces = {piece.encode() for account in accounts for piece in _pieces(account)}
    found = set()
    for where, text in _said(platform):
        assert not [piece for piece in pieces if piece in text], where
        if known.encode() in text:
            found.add(where)
    assert {"events", "idempotency", "shops"} <= found


def _pieces(account: MerchantAccount) -> Iterator[str]:
    yield from (account.xpub, account.xpub[8:48], account.xpub[-40:], account.xprv[8:48])
    key = account.node.PublicKey()
    yield from (key.RawCompressed().ToHex(), key.ChainCode().ToHex())


def _said(platform: Platform) -> Iterator[tuple[str, bytes]]:
    for (table,) in rows_of(platform.env, TABLES):
        rows = rows_of(platform.env, Sql(f"select t::text from {table} t"))
        text = "\n".join(str(row[0]) for row in rows)
        yield table, text.encode() + _unhexed(text)
    for folder, _, files in os.walk(platform.workdir):
        for file in files:
            path = Path(folder) / file
            if path.suffix == ".log":
                yield str(path), path.read_bytes()


def _unhexed(text: str) -> bytes:
    """Return what lies in columns of bytes as it is: events, the outbox, replies."""
    found = bytearray()
    for piece in text.replace('"', ",").replace(")", ",").split(","):
        hexadecimal = piece.lstrip("\\").removeprefix("x")
        if piece.startswith("\\") and len(hexadecimal) % 2 == 0:
            found += bytes.fromhex(hexadecimal)
    return bytes(found)
