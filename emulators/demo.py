"""`make demo`: the whole story once per asset, as it happens, against the running platform or one of its own.

A customer finds a shop, orders, pays on a real local chain; the watcher settles; a claim code arrives; the barista
makes the coffee and redeems the code. Who pays too much asks for it back and gets it. Exit code 0 and one last line, or
the step that failed.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import segno

from emulators.component import ComponentFailed, profile_folder
from emulators.demo_data import OWNER_KEY
from emulators.people import Barista, Customer, Mailbox, StepFailed, sign_in, until
from emulators.wallets import BitcoinWallet, EvmWallet
from shared.kernel.money import Fiat, Money

ASSETS: Final = ("BTC", "ETH", "USDC", "USDT")
ALEXANDERPLATZ: Final = (52.5219, 13.4132)
OVERPAID: Final = {"USDC": 1_000_000}
"""Base units that the customer pays too much, and asks for again."""
_FINAL: Final = 40
"""Blocks after which anvil calls a block final, with some to spare."""
_SEEN_WITHIN_S: Final = 10.0
JSON = dict[str, Any]


class Story:
    """One customer, one order, one asset."""

    def __init__(self, env: Mapping[str, str], say: Callable[[str], None], *, draw: bool) -> None:
        self._env = env
        self._say = say
        self._draw = draw
        self._mine: Callable[[int], object] = int
        self.url = env["PUBLIC_URL"]
        chains = json.loads(env["CHAINS"])
        self._bitcoin_rpc = next(each["rpc"] for each in chains.values() if each["kind"] == "bitcoin")
        self._evm_rpc = next(each["rpc"] for each in chains.values() if each["kind"] == "evm")

    def play(self, asset: str) -> str:
        """Play the story and return the id of the completed order. Raises StepFailed naming what went wrong."""
        say = self._say
        say(f"── {asset} ".ljust(72, "─"))
        customer = Customer(self.url)
        say(f"customer  signed in with a wallet: {customer.user_id}")
        mail = f"{customer.user_id}@example.com"
        customer.be_told(mail, mailbox=Mailbox(self._env["AWS_ENDPOINT_URL"]))
        say(f"customer  confirmed the address {mail}")
        shop, lines = self._choose(customer)
        order = customer.order(shop["shop_id"], lines, note="no sugar, please")
        say(f"customer  ordered for {_fiat(order['total'])}, to be paid by {order['pay_by']}: {order['order_id']}")
        seen: list[str] = []
        app = customer.watch(order["order_id"], seen.append)
        payment = customer.request_payment(order["order_id"], asset)
        say(f"customer  is to pay {_coins(payment['due'])} to {payment['address']}")
        self._show(payment["link"])
        txid = self._pay(asset, payment)
        say(f"customer  paid on chain: {txid}")
        self._await_payment(customer, payment)
        customer.wait_for(order["order_id"], "confirmed")
        say("platform  confirmed the order")
        self._await_mail(mail, 1)
        claim = customer.claim(order["order_id"])
        say(f"customer  got the pick-up code {claim['code']}")
        self._serve(shop, order, claim, mail)
        customer.wait_for(order["order_id"], "completed")
        say("platform  completed the order")
        app.join(_SEEN_WITHIN_S)
        if seen[-1:] != ["completed"]:
            raise StepFailed(f"the customer's app saw the order {' → '.join(seen)}, and not its end")
        say(f"app       saw it {' → '.join(dict.fromkeys(seen))}")
        self._await_mail(mail, 3)
        if asset in OVERPAID:
            self._have_back(customer, payment["payment_id"])
        return str(order["order_id"])

    def _have_back(self, customer: Customer, payment_id: str) -> None:
        """Ask for what was paid too much, and wait until it is back for good."""
        wallet = EvmWallet(self._evm_rpc)
        before, held = wallet.balance("USDC"), _coins(customer.payment(payment_id)["over"])
        self._mine(_FINAL)
        refund = customer.ask_back(payment_id, wallet.address)
        self._say(f"customer  paid {held} too much and asks for it back: {refund['refund_id']} is {refund['state']}")
        said = refund["state"]

        def confirmed() -> JSON | None:
            nonlocal said
            [now] = customer.payment(payment_id)["refunds"]
            if now["state"] != said:
                said = now["state"]
                self._say(f"platform  the refund is {said}")
                if said == "mined":
                    self._mine(_FINAL)
            return now if said == "confirmed" else None

        until(f"refund {refund['refund_id']} to be final", confirmed, deadline_s=90.0)
        self._say(f"customer  has {wallet.balance('USDC') - before} units more, from the hot wallet")

    def _await_mail(self, address: str, count: int) -> None:
        """Wait for the customer's mail number `count`, and show its subject."""

        def arrived() -> str | None:
            subjects = Mailbox(self._env["AWS_ENDPOINT_URL"]).mails(address)
            return subjects[count - 1] if len(subjects) >= count else None

        self._say(f"mail      “{until(f'mail {count} to the customer', arrived)}”")

    def _choose(self, customer: Customer) -> tuple[JSON, list[JSON]]:
        shops = customer.shops_near(*ALEXANDERPLATZ)
        if not shops:
            raise StepFailed("no shop near Alexanderplatz is open")
        shop = shops[0]
        self._say(f"customer  found {len(shops)} open shops; the nearest is {shop['name']}, {shop['address']}")

        def priced() -> JSON | None:
            items: list[JSON] = customer.menu(shop["shop_id"])["items"]
            item = next(each for each in items if each["available"] and each["modifier_groups"])
            return item if item["prices"] else None

        item = until("the menu to show prices in coins", priced)
        price = _fiat({"currency": shop["currency"], "units": item["price"]})
        prices = " = ".join([price, *map(_coins, item["prices"])])
        self._say(f"customer  reads the menu and takes two {item['name']} at {prices}")
        return shop, [{"item_id": item["item_id"], "quantity": 2}]

    def _pay(self, asset: str, payment: JSON) -> str:
        units = int(payment["due"]["units"]) + OVERPAID.get(asset, 0)
        if asset == "BTC":
            bitcoin = BitcoinWallet(self._bitcoin_rpc)
            txid = bitcoin.pay(payment["address"], units)
            bitcoin.mine(1)
            self._mine = bitcoin.mine
        else:
            evm = EvmWallet(self._evm_rpc)
            txid = evm.pay(asset, payment["address"], units)
            self._mine = evm.mine
        return txid

    def _await_payment(self, customer: Customer, payment: JSON) -> None:
        payment_id, said = payment["payment_id"], ""

        def settled() -> JSON | None:
            nonlocal said
            now = customer.payment(payment_id)
            if now["finality"] != said:
                said = now["finality"]
                self._say(f"watcher   {_sight(said, _coins(now['received']))}")
                if said == "seen" and payment["confirmations"] > 1:
                    self._mine(payment["confirmations"] - 1)
            return now if now["settled"] else None

        until(f"payment {payment_id} to settle", settled)

    def _serve(self, shop: JSON, order: JSON, claim: JSON, mail: str) -> None:
        _, owner = sign_in(self.url, OWNER_KEY)
        barista = Barista.hired(self.url, owner, shop["shop_id"])
        queue = until("the order to reach the kitchen", lambda: barista.queue() or None)
        self._say(f"barista   sees {len(queue)} order(s) in the queue")
        barista.prepare(order["order_id"])
        self._say("barista   makes the coffee")
        barista.ready(order["order_id"])
        self._say("barista   puts it on the counter")
        self._await_mail(mail, 2)
        self._say("customer  shows the code")
        self._show(claim["code"])
        redeemed = barista.redeem(claim["code"])
        self._say(f"barista   hands it over at {redeemed['redeemed_at']}")

    def _show(self, text: str) -> None:
        """Draw a QR code, as the customer's phone would show it."""
        self._say(f"          {text}")
        if self._draw:
            drawn = io.StringIO()
            segno.make(text, error="l", micro=False).terminal(out=drawn, compact=True)
            for line in drawn.getvalue().splitlines():
                self._say(f"          {line}")


def _fiat(amount: JSON) -> str:
    return str(Fiat.model_validate(amount))


def _coins(amount: JSON) -> str:
    return str(Money.model_validate(amount))


def _sight(finality: str, received: str) -> str:
    """Say what a watcher sees."""
    return "sees nothing yet" if finality == "none" else f"says it is {finality}: {received} received"


def play_all(env: Mapping[str, str], say: Callable[[str], None], *, draw: bool = True) -> list[str]:
    """Play the story once per asset; return the orders' ids. Raises StepFailed that begins with the asset."""
    orders = []
    for asset in ASSETS:
        try:
            orders.append(Story(env, say, draw=draw).play(asset))
        except (StepFailed, httpx.HTTPError) as failed:
            raise StepFailed(f"{asset}: {failed}") from failed
    return orders


def main() -> int:
    """Play against the running platform, or start one, play, and stop it again."""
    from emulators.platform import running_env

    try:
        workdir = profile_folder()
        env = running_env(workdir)
        if env is not None:
            return _told(env)
        from emulators.up import temporary

        with temporary(workdir) as started:
            return _told(started)
    except ComponentFailed as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 130


def _told(env: Mapping[str, str]) -> int:
    began = time.monotonic()
    try:
        orders = play_all(env, lambda line: print(line, flush=True), draw=sys.stdout.isatty() or "QR" in os.environ)
    except StepFailed as failed:
        print(f"demo: failed: {failed}", file=sys.stderr)
        return 1
    print(f"demo: {len(orders)} orders paid and completed in {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
