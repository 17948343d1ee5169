"""What a customer paid too much is back in their wallet, once, final on the chain, and the books say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from emulators.bitcoin import FAUCET
from emulators.json_rpc import call
from emulators.people import Api, Customer, StepFailed, until
from emulators.platform import Platform
from emulators.wallets import SATOSHI, BitcoinWallet, EvmWallet
from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.ledger_check import Report, check
from shared.adapters.postgres.replay import replay
from shared.settings import PostgresSettings
from tests.journeys.test_reorgs import ordered

JSON = dict[str, Any]
FINAL = 70
"""Blocks after which anvil calls one final."""


def refunded(customer: Customer, payment: JSON, mine: Callable[[], object]) -> list[JSON]:
    """Return the payment's refunds once all of them are confirmed; blocks are mined meanwhile."""

    def now() -> list[JSON] | None:
        mine()
        refunds: list[JSON] = customer.payment(payment["payment_id"])["refunds"]
        return refunds if all(each["state"] == "confirmed" for each in refunds) else None

    return until("the refunds to be confirmed", now)


def held(customer: Customer, payment: JSON, units: int) -> None:
    """Wait until so much more than is due has arrived in a block, and the payment is settled."""

    def now() -> bool | None:
        state = customer.payment(payment["payment_id"])
        there = all(each["height"] for each in state["transfers"])
        return True if state["settled"] and there and int(state["over"]["units"]) == units else None

    until("the coins to arrive", now)


def test_bitcoin_goes_to_every_kind_of_address(platform: Platform, shop: JSON, bitcoin_wallet: BitcoinWallet) -> None:
    customer, _, payment = ordered(platform, shop, "BTC")
    due = int(payment["due"]["units"])
    kinds = ("legacy", "p2sh-segwit", "bech32", "bech32m")
    faucet = f"{bitcoin_wallet.rpc_url}/wallet/{FAUCET}"
    addresses = [call(faucet, "getnewaddress", "", kind) for kind in kinds]
    bitcoin_wallet.pay(payment["address"], due * 5)
    bitcoin_wallet.mine(6)
    held(customer, payment, due * 4)
    path = f"/v1/payments/{payment['payment_id']}/refunds"
    for number, address in enumerate(addresses):
        asked = customer.api.send("POST", path, {"to": address, "units": str(due - number)})
        assert asked["state"] == "approved"
    with pytest.raises(StepFailed, match="409"):
        customer.api.send("POST", path, {"to": addresses[0], "units": "1000"})
    refunds = refunded(customer, payment, lambda: bitcoin_wallet.mine(1))
    for number, (address, refund) in enumerate(zip(addresses, refunds, strict=True)):
        got = call(faucet, "getreceivedbyaddress", address, 1)
        assert round(got * SATOSHI) == due - number == int(refund["amount"]["units"])
        assert int(refund["fee"]["units"]) > 0


@pytest.mark.parametrize("asset", ["ETH", "USDC", "USDT"])
def test_coins_of_an_evm_chain_go_to_an_address_of_the_customer(
    platform: Platform, shop: JSON, evm_wallet: EvmWallet, asset: str
) -> None:
    customer, _, payment = ordered(platform, shop, asset)
    due = int(payment["due"]["units"])
    evm_wallet.pay(asset, payment["address"], due * 2)
    evm_wallet.mine(FINAL)
    held(customer, payment, due)
    elsewhere = EvmWallet(evm_wallet.rpc_url)
    before = elsewhere.balance(asset)
    path = f"/v1/payments/{payment['payment_id']}/refunds"
    body = {"to": elsewhere.address.lower()}
    asked = customer.api.send("POST", path, body, key=f"refund-{payment['payment_id']}")
    again = customer.api.send("POST", path, body, key=f"refund-{payment['payment_id']}")
    assert asked["refund_id"] == again["refund_id"]
    (refund,) = refunded(customer, payment, lambda: evm_wallet.mine(10))
    assert elsewhere.balance(asset) - before == due == int(refund["amount"]["units"])
    assert refund["fee"]["asset"] == "ETH"


def test_after_all_refunds_ledger_and_rows_say_what_the_facts_say(env: Mapping[str, str], owner: Api) -> None:
    connection = Connection(PostgresSettings.from_env(env))

    def posted() -> Report | None:
        found = check(connection)
        return None if found.missing else found

    assert until("the ledger to have every entry", posted).holds
    assert replay(connection).differences == []
    connection.close()
    for each in owner.get("/v1/balances")["total"]:
        assert each["balanced"] is True
        assert int(each["refunded"]) > 0
        assert int(each["hot"]) < 0
        assert int(each["transit"]) == 0
