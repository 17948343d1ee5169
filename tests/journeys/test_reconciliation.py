"""After paid orders ledger, facts and chains agree, on the platform as it runs; a day is a file that adds up."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx

from emulators.people import Api, Customer, until
from emulators.platform import Platform
from emulators.wallets import BitcoinWallet, EvmWallet
from tests.journeys.test_reorgs import ordered
from tests.journeys.tokens import service_token

JSON = dict[str, Any]
FINAL = 70
"""Blocks after which anvil calls one final."""


def reconciled(platform: Platform) -> None:
    """Call the function as the scheduler does, until no other call of it is at it."""
    url = platform.env["FUNCTION_URL_TEMPLATE"].replace("{function}", "reconcile_payments")
    token = service_token(platform.env, "dispatcher")

    def done() -> bool | None:
        reply = httpx.post(url, headers={"authorization": f"Bearer {token}"}, timeout=60.0)
        return True if reply.status_code == 204 else None

    until("the comparison to be done", done)


def final(customer: Customer, payment: JSON) -> None:
    """Wait until the payment is settled for good."""

    def now() -> bool | None:
        return True if customer.payment(payment["payment_id"])["final"] else None

    until("the payment to be final", now)


def test_what_was_paid_is_where_the_books_say(
    platform: Platform, shop: JSON, owner: Api, bitcoin_wallet: BitcoinWallet, evm_wallet: EvmWallet
) -> None:
    mine: list[str] = []
    for asset in ("BTC", "ETH", "USDC"):
        customer, _, payment = ordered(platform, shop, asset)
        due = int(payment["due"]["units"])
        wallet = bitcoin_wallet if asset == "BTC" else evm_wallet
        if isinstance(wallet, BitcoinWallet):
            wallet.pay(payment["address"], due)
            wallet.mine(7)
        else:
            wallet.pay(asset, payment["address"], due)
            wallet.mine(FINAL)
        final(customer, payment)
        mine.append(payment["payment_id"])

    def compared() -> JSON | None:
        reconciled(platform)
        shown: JSON = owner.get("/v1/reconciliation")
        runs = {run["scope"]: run["state"] for run in shown["runs"]}
        return shown if runs == {"books": "complete", "bitcoin": "complete", "evm:31337": "complete"} else None

    shown = until("all runs to be complete", compared)
    assert [each for each in shown["differences"] if each.get("payment_id") in mine] == []
    today = owner.get(f"/v1/shops/{shop['shop_id']}/ledger", day=shown["runs"][0]["began_at"][:10])
    assert all(each["balanced"] for each in today["closing"])


def test_a_day_is_a_file_whose_rows_add_up(platform: Platform, shop: JSON, owner: Api) -> None:
    day = owner.get("/v1/reconciliation")["runs"][0]["began_at"][:10]
    headers = {"authorization": str(owner._client.headers["authorization"])}
    url = f"{platform.url}/v1/shops/{shop['shop_id']}/ledger/csv"
    reply = httpx.get(url, params={"day": day}, headers=headers, timeout=30.0)
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/csv")
    sums: dict[tuple[str, ...], int] = {}
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    for row in rows:
        sign = {"opening": 1, "total": 1, "closing": -1, "entry": 0}[row["row"]]
        account = (row["book"], row["asset"], row["account"])
        units = int(row["debit_units"]) - int(row["credit_units"])
        sums[account] = sums.get(account, 0) + sign * units
    assert set(sums.values()) <= {0}
    values = [row for row in rows if row["row"] == "entry" and row["account"] == "settled" and row["value"]]
    assert all(row["currency"] == "EUR" and float(row["value"]) > 0 for row in values)
