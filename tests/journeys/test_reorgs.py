"""Three blocks are taken back while a payment is under way: the order follows, and ends where it should."""

from __future__ import annotations

from typing import Any

from emulators.people import Barista, Customer, until
from emulators.platform import Platform
from emulators.wallets import BitcoinWallet, EvmWallet

JSON = dict[str, Any]


def ordered(platform: Platform, shop: JSON, asset: str) -> tuple[Customer, JSON, JSON]:
    """Return a customer, their order, and its payment in the asset."""
    customer = Customer(platform.url)
    menu = customer.menu(shop["shop_id"])
    item = next(each for each in menu["items"] if each["available"])
    order = customer.order(shop["shop_id"], [{"item_id": item["item_id"]}])
    return customer, order, customer.request_payment(order["order_id"], asset)


def halted(customer: Customer, order: JSON, wanted: bool) -> JSON:
    """Return the order once it is (no longer) halted."""

    def now() -> JSON | None:
        state = customer.state(order["order_id"])
        return state if state["halted"] is wanted else None

    return until(f"the order to be {'halted' if wanted else 'going on'}", now)


def settled(customer: Customer, payment: JSON, wanted: bool) -> JSON:
    """Return the payment once it stands settled, or no longer does."""

    def now() -> JSON | None:
        state = customer.payment(payment["payment_id"])
        return state if state["settled"] is wanted else None

    return until(f"the payment to be {'settled' if wanted else 'reversed'}", now)


def test_a_bitcoin_reorg_halts_the_order_until_the_payment_is_mined_again(
    platform: Platform, shop: JSON, barista: Barista, bitcoin_wallet: BitcoinWallet
) -> None:
    customer, order, payment = ordered(platform, shop, "BTC")
    bitcoin_wallet.pay(payment["address"], int(payment["due"]["units"]))
    bitcoin_wallet.mine(max(int(payment["confirmations"]), 3))
    settled(customer, payment, True)
    customer.wait_for(order["order_id"], "confirmed")
    bitcoin_wallet.reorg(3, keep=False)
    settled(customer, payment, False)
    assert halted(customer, order, True)["status"] == "confirmed"
    bitcoin_wallet.mine(3)
    settled(customer, payment, True)
    assert halted(customer, order, False)["status"] == "confirmed"


def test_an_ethereum_reorg_that_loses_the_payment_halts_the_order_until_it_is_paid_again(
    platform: Platform, shop: JSON, barista: Barista, evm_wallet: EvmWallet
) -> None:
    customer, order, payment = ordered(platform, shop, "USDC")
    evm_wallet.pay("USDC", payment["address"], int(payment["due"]["units"]))
    evm_wallet.mine(3)
    settled(customer, payment, True)
    customer.wait_for(order["order_id"], "confirmed")
    evm_wallet.reorg(4)
    settled(customer, payment, False)
    halted(customer, order, True)
    evm_wallet.pay("USDC", payment["address"], int(payment["due"]["units"]))
    evm_wallet.mine(int(payment["confirmations"]) + 3)
    settled(customer, payment, True)
    assert halted(customer, order, False)["status"] == "confirmed"
