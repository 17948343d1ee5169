"""A platform of the run's own, its shops and customers, and the purses and miners of both chains."""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emulators import ethereum
from emulators.component import Component
from emulators.merchant_keys import fresh_accounts
from emulators.people import Barista, Customer, Mailbox, prove_payouts
from emulators.platform import Platform, steps
from emulators.stack import Stack, engines
from shared.adapters.postgres.database import Connection
from shared.kernel.ids import ItemId
from shared.settings import PostgresSettings
from tests.chaos.mining import BitcoinMiner, EvmMiner, Miner
from tests.chaos.nodes import BitcoinPurse, EvmPurse, Node, Purse
from tests.chaos.plan import BITCOIN, CUSTOMERS, EVM, SHOPS, Plan
from tests.journeys.cast import A_WEEK, a_shop

JSON = dict[str, Any]
PACE_S = {BITCOIN: 2.0, EVM: 1.0}
"""Seconds between two blocks, and so between two reorganisations at least."""
FINAL_DEPTH = 7
"""One more than the deepest reorganisation: what takes back a final block stops a chain, and other tests show that."""
SKU = "shot"
STOCKED = 1_000_000
REFUNDS = {"stuck_after_s": {"bitcoin": 15, "evm": 10}}
"""Fees are bumped soon, so that some of them are."""
_CONFIRMATIONS: tuple[dict[str, int], ...] = ({}, {"BTC": 2, "ETH": 5, "USDC": 3, "USDT": 4})


class ChaosPlatform(Platform):
    """The platform as it always is, but that Bitcoin's blocks are final one confirmation later."""

    @property
    def env(self) -> dict[str, str]:
        env = super().env
        chains = json.loads(env["CHAINS"])
        chains[BITCOIN]["final_depth"] = FINAL_DEPTH
        return env | {"CHAINS": json.dumps(chains), "REFUNDS": json.dumps(REFUNDS)}


@dataclass(frozen=True, slots=True)
class Shop:
    """Where everybody orders: one item, known to the unit."""

    shop_id: str
    item_id: str
    barista: Barista


@dataclass
class Ground:
    """Everything a run takes place on."""

    platform: Platform
    env: Mapping[str, str]
    owner: Customer
    shops: list[Shop]
    customers: list[Customer]
    nodes: Mapping[str, Node]
    purses: Mapping[str, Purse]
    miners: Mapping[str, Miner]

    def connection(self) -> Connection:
        """Return a connection to the platform's database, patient with slow statements."""
        return Connection(replace(PostgresSettings.from_env(self.env), statement_timeout_s=30.0))

    def mail_of(self, customer: int) -> str:
        """Return the address that a customer is told at."""
        return f"{self.customers[customer].user_id}@example.com"


@contextlib.contextmanager
def ground(workdir: Path, plan: Plan, *, in_memory: bool, light: bool, say: Any) -> Iterator[Ground]:
    """Bring everything up, give it, and take it down again. Raises ComponentFailed."""
    platform = ChaosPlatform(Stack(_engines(light, in_memory), workdir), say, keep_engines=False)
    try:
        platform.start(steps(seeded=False))
        yield _furnished(platform, plan)
    finally:
        platform.stop(grace_s=0)


def _engines(light: bool, in_memory: bool) -> list[Component]:
    """Return the engines; Ethereum's saves its chain when it is stopped, since saving it all the time is slow."""
    usual = [each for each in engines(light=light, in_memory=in_memory) if each.name != "ethereum"]
    return [*usual, ethereum.Ethereum(save_every_s=ethereum.NEVER_S)]


def _furnished(platform: Platform, plan: Plan) -> Ground:
    env = platform.env
    chains = json.loads(env["CHAINS"])
    nodes = {name: Node(name, chains[name]["rpc"]) for name in (BITCOIN, EVM)}
    needed: Counter[str] = Counter()
    for paying in plan.payments:
        for part in paying.parts:
            needed[other(paying.asset) if part.foreign else paying.asset] += 1
    purses: dict[str, Purse] = {
        BITCOIN: BitcoinPurse(nodes[BITCOIN], coins=needed.pop("BTC", 0) + 10),
        EVM: EvmPurse(nodes[EVM], seed=plan.seed, accounts=needed),
    }
    began = time.monotonic()

    def now() -> float:
        return time.monotonic() - began

    due = {name: [each for each in plan.reorgs if each.chain == name] for name in nodes}
    miners: dict[str, Miner] = {
        BITCOIN: BitcoinMiner(nodes[BITCOIN], purses[BITCOIN], PACE_S[BITCOIN], plan.seed, due[BITCOIN], now),
        EVM: EvmMiner(nodes[EVM], purses[EVM], PACE_S[EVM], plan.seed, due[EVM], now),
    }
    owner = Customer(platform.url)
    shops = [_opened(platform, owner, confirmations) for confirmations in _CONFIRMATIONS[:SHOPS]]
    customers = [_known(platform, random.Random(f"{plan.seed} customer {number}")) for number in range(CUSTOMERS)]
    return Ground(platform, env, owner, shops, customers, nodes, purses, miners)


def _opened(platform: Platform, owner: Customer, confirmations: dict[str, int]) -> Shop:
    accounts = fresh_accounts()
    payout = {family: account.xpub for family, account in accounts.items()}
    body = a_shop(accepts=["BTC", "ETH", "USDC", "USDT"], confirmations=confirmations, payout=payout)
    shop_id = owner.api.send("POST", "/v1/shops", body)["shop"]["shop_id"]
    prove_payouts(owner.api, shop_id, accounts.values())
    path = f"/v1/shops/{shop_id}"
    owner.api.send("PUT", f"{path}/hours", {"weekly": A_WEEK})
    item_id = str(ItemId.new())
    item = {"name": "Flat White", "category": "Coffee", "price": "420", "sku": SKU}
    owner.api.send("PUT", f"{path}/menu", {"items": {item_id: item}, "groups": {}})
    owner.api.send("POST", f"{path}/stock/receipts", {"lines": [{"sku": SKU, "quantity": STOCKED}]})
    return Shop(shop_id, item_id, Barista.hired(platform.url, owner.api, shop_id))


def _known(platform: Platform, chance: random.Random) -> Customer:
    customer = Customer(platform.url, f"0x{chance.getrandbits(255):064x}")
    customer.be_told(f"{customer.user_id}@example.com", mailbox=Mailbox(platform.env["AWS_ENDPOINT_URL"]))
    return customer


def other(asset: str) -> str:
    """Return a coin that somebody sends by mistake."""
    return {"USDC": "USDT", "USDT": "USDC"}.get(asset, "USDC")
