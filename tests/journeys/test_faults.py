"""What dies in the middle of an order comes back, and the order completes, once."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from emulators.kafka import wipe
from emulators.people import Barista, Customer, until
from emulators.platform import Platform, topics
from emulators.wallets import EvmWallet
from shared.adapters.postgres.database import Connection, Sql
from shared.settings import PostgresSettings

JSON = dict[str, Any]
_FACTS = Sql("select type from events where stream = :id order by version")
_UNPUBLISHED = Sql("select seq from outbox where not starts_with(topic, 'work:')")
_WHOLE = [
    "order.placed.v1",
    "order.confirmed.v1",
    "order.preparing.v1",
    "order.ready.v1",
    "order.completed.v1",
]


class Errand:
    """One order paid in USDC, step by step, so that a fault can strike between any two."""

    def __init__(self, platform: Platform, shop: JSON, barista: Barista, wallet: EvmWallet) -> None:
        self.customer = Customer(platform.url)
        self.barista, self.wallet, self.shop = barista, wallet, shop
        self.env = platform.env

    def place(self) -> None:
        """Order one of the first item that is sold."""
        menu = self.customer.menu(self.shop["shop_id"])
        item = next(each for each in menu["items"] if each["available"])
        self.order = self.customer.order(self.shop["shop_id"], [{"item_id": item["item_id"]}])
        self.payment = self.customer.request_payment(self.order["order_id"], "USDC")

    def pay(self) -> None:
        """Pay what is due, and bury it."""
        self.wallet.pay("USDC", self.payment["address"], int(self.payment["due"]["units"]))
        self.wallet.mine(int(self.payment["confirmations"]))

    def published(self) -> bool | None:
        """Tell whether the transfer was observed and the outbox is empty; None while not."""
        seen = self.customer.payment(self.payment["payment_id"])["finality"] != "none"
        connection = Connection(PostgresSettings.from_env(self.env))
        try:
            return True if seen and not connection.run(_UNPUBLISHED, {}) else None
        finally:
            connection.close()

    def serve(self, *, deadline_s: float = 60.0) -> None:
        """Wait until it is paid, then make it and hand it over."""
        order_id = self.order["order_id"]
        self.customer.wait_for(order_id, "confirmed", deadline_s=deadline_s)
        claim = self.customer.claim(order_id)
        self.barista.prepare(order_id)
        self.barista.ready(order_id)
        self.barista.redeem(claim["code"])
        self.customer.wait_for(order_id, "completed")

    def facts(self) -> list[str]:
        """Return what happened to the order."""
        connection = Connection(PostgresSettings.from_env(self.env))
        try:
            return [str(type_) for (type_,) in connection.run(_FACTS, {"id": self.order["order_id"]})]
        finally:
            connection.close()


@pytest.fixture
def errand(platform: Platform, shop: JSON, barista: Barista, evm_wallet: EvmWallet) -> Errand:
    return Errand(platform, shop, barista, evm_wallet)


def kill(platform: Platform, name: str) -> None:
    """End a process as a crash would, and wait until the supervisor has started another."""
    before = platform.supervisor.pids[name]
    os.kill(before, signal.SIGKILL)
    until(f"{name} to be started again", lambda: platform.supervisor.pids[name] != before or None)


@pytest.mark.parametrize("name", ["http", "events", "relay", "dispatcher", "ticker"])
def test_an_order_survives_the_death_of_a_program(platform: Platform, errand: Errand, name: str) -> None:
    errand.place()
    kill(platform, name)
    errand.pay()
    errand.serve()
    assert errand.facts() == _WHOLE


@pytest.mark.parametrize("name", ["kafka", "valkey", "pubsub", "firestore"])
def test_an_order_survives_the_restart_of_an_engine(platform: Platform, errand: Errand, name: str) -> None:
    errand.place()
    engine = platform.stack.start(name)
    engine.kill()
    errand.pay()
    engine.restart()
    errand.serve()
    assert errand.facts() == _WHOLE


def test_an_order_survives_the_death_of_everything_but_the_database(platform: Platform, errand: Errand) -> None:
    errand.place()
    errand.pay()
    for engine in ("kafka", "valkey"):
        platform.stack.start(engine).restart()
    for program in ("dispatcher", "relay", "events", "http", "ticker"):
        kill(platform, program)
    errand.serve()
    assert errand.facts() == _WHOLE


def test_facts_that_were_lost_with_all_of_kafkas_data_are_sent_again(platform: Platform, errand: Errand) -> None:
    errand.place()
    dispatcher, kafka = platform.supervisor.pids["dispatcher"], platform.stack.start("kafka")
    os.kill(dispatcher, signal.SIGSTOP)
    try:
        errand.pay()
        until("the payment to be published, and read by nobody", errand.published)
        kafka.kill()
        wipe(platform.workdir)
        kafka.restart()
        topics(platform.env)
    finally:
        os.kill(dispatcher, signal.SIGCONT)
    errand.serve(deadline_s=100)
    assert errand.facts() == _WHOLE
