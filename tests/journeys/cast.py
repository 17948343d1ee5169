"""Two merchants, their staff and their customers, each with a token: what tests of who may do what start from.

A module has a cast of its own. Its shops stand in Hamburg, far from those of the demo.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from emulators.merchant_keys import MerchantAccount, fresh_accounts
from emulators.people import Api, Customer, StepFailed, prove_payouts, until
from emulators.platform import Platform
from emulators.wallets import EvmWallet
from shared.adapters.postgres.database import Connection, Row, Sql
from shared.kernel.ids import DiscountId, ItemId, MerchantId, ModifierGroupId, ModifierId, SweepId, WalletId
from shared.settings import PostgresSettings
from tests.integration.shopkeeping import BITCOIN, EVM

JSON = dict[str, Any]
ELSEWHERE = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
"""An address of nobody here, as EIP-55 has it for an example."""
HAMBURG = {"latitude": 53.5503, "longitude": 9.9926}
HOME: JSON = {"address": "Kehrwieder 9", "latitude": 53.5504, "longitude": 9.9930, "instructions": "Ring twice"}
A_WEEK: list[JSON] = [{"weekday": day, "opens": "00:00", "closes": "24:00"} for day in range(7)]
_DONE = Sql(
    "select (select count(*) from events where actor = any(:actors::text[])),"
    " (select count(*) from idempotency where caller = any(:actors::text[])),"
    " (select count(*) from devices where user_id = any(:actors::text[])),"
    " (select coalesce(sum(version), 0)::bigint from preferences where user_id = any(:actors::text[])),"
    " (select count(*) from users)"
)
_SWEPT = Sql(
    "insert into sweeps (sweep_id, shop_id, merchant_id, chain, asset, state, plan, txids, planned_at, changed_at,"
    " version, head) values (:sweep_id, :shop_id, :merchant_id, 'evm:31337', 'USDC', 'final', :plan::jsonb, '{}',"
    " clock_timestamp(), clock_timestamp(), 0, ''::bytea) returning 1"
)


def rows_of(env: Mapping[str, str], sql: Sql, **params: object) -> list[Row]:
    """Return the rows of one statement on the platform's database."""
    connection = Connection(PostgresSettings.from_env(env))
    try:
        return list(connection.run(sql, params))
    finally:
        connection.close()


def a_shop(**changes: object) -> JSON:
    """Return the body that registers a shop."""
    return {
        "name": "Speicherstadt Rösterei",
        "address": "Kehrwieder 5, 20457 Hamburg",
        "position": HAMBURG,
        "timezone": "Europe/Berlin",
        "currency": "EUR",
        "accepts": ["BTC", "ETH", "USDC"],
        "payout": {"bitcoin": BITCOIN, "evm": EVM},
        **changes,
    }


@dataclass
class Place:
    """A shop with something on its menu."""

    shop_id: str
    item_id: str
    group_id: str


@dataclass
class Merchant:
    """Somebody with shops and staff."""

    platform: Platform
    owner: Customer
    places: list[Place] = field(default_factory=list)
    accounts: dict[str, MerchantAccount] = field(default_factory=fresh_accounts)
    """Those for EVM chains are proven, those for Bitcoin are not: nobody here pays with it."""

    @classmethod
    def new(cls, platform: Platform, *, shops: int) -> Merchant:
        """Return a merchant with so many open shops, menus and shelves filled."""
        merchant = cls(platform, Customer(platform.url))
        merchant.places = [merchant._opened() for _ in range(shops)]
        return merchant

    def _opened(self) -> Place:
        send, path = self.owner.api.send, "/v1/shops"
        payout = {family: account.xpub for family, account in self.accounts.items()}
        shop_id = send("POST", path, a_shop(payout=payout))["shop"]["shop_id"]
        prove_payouts(self.owner.api, shop_id, [self.accounts["evm"]])
        path = f"{path}/{shop_id}"
        send("PUT", f"{path}/hours", {"weekly": A_WEEK})
        item_id, group_id = str(ItemId.new()), str(ModifierGroupId.new())
        milk = [{"modifier_id": ModifierId.new(), "name": "Hafer", "price_delta": "50"}]
        item = {"name": "Flat White", "category": "Coffee", "price": "420", "sku": "shot"}
        group = {"name": "Milk", "min": 0, "max": 1, "modifiers": milk}
        send("PUT", f"{path}/menu", {"items": {item_id: item}, "groups": {group_id: group}})
        send("POST", f"{path}/stock/receipts", {"lines": [{"sku": "shot", "quantity": 100_000}]})
        return Place(shop_id, item_id, group_id)

    def proposal(self, place: Place, family: str) -> JSON:
        """Return the body that proposes a fresh account for a shop, proven by its key; an open change is called off."""
        account, path = fresh_accounts()[family], f"/v1/shops/{place.shop_id}/payout"
        for change in self.owner.api.get(path)["changes"]:
            if change["family"] == family and change["standing"] in ("proposed", "confirmed"):
                self.owner.api.send("POST", f"{path}/changes/{change['change_id']}/cancel")
        about = {"family": family, "account_key": account.xpub}
        asked = self.owner.api.send("POST", f"{path}/challenges", about)
        return {**about, "nonce": asked["nonce"], "signature": account.sign(asked["message"])}

    def propose(self, place: Place, family: str) -> JSON:
        """Propose a fresh account for a shop and return the change."""
        return self.owner.api.send("POST", f"/v1/shops/{place.shop_id}/payout/changes", self.proposal(place, family))

    def proof(self, place: Place, family: str) -> JSON:
        """Return the body that proves a shop's account."""
        asked = self.owner.api.send("POST", f"/v1/shops/{place.shop_id}/payout/challenges", {"family": family})
        return {"nonce": asked["nonce"], "signature": self.accounts[family].sign(asked["message"])}

    def key(self, role: str, place: Place | None = None) -> str:
        """Return a fresh staff key, for one shop or for all."""
        body = {"role": role, "label": role, "shop_id": place.shop_id if place else None}
        return str(self.owner.api.send("POST", "/v1/api-keys", body)["key"])


def _swept(platform: Platform, place: Place, owner: str) -> str:
    """Return a sweep of a shop that moved nothing: a row without facts."""
    sweep_id, to = str(SweepId.new()), "0x" + "5a" * 20
    plan = {"chain": "evm:31337", "asset": "USDC", "to": to, "to_key": to, "fee_rate": "1"}
    text, merchant_id = json.dumps({**plan, "coins": [], "transactions": []}), MerchantId.like(owner)
    rows_of(platform.env, _SWEPT, sweep_id=sweep_id, shop_id=place.shop_id, merchant_id=merchant_id, plan=text)
    return sweep_id


def token_of(api: Api) -> str:
    """Return the token that somebody signed in with."""
    return str(api._client.headers["authorization"]).removeprefix("Bearer ")


@dataclass
class Cast:
    """Everybody, and the order that one of them placed and paid at the first shop of one of the merchants."""

    platform: Platform
    merchant: Merchant
    rival: Merchant
    customer: Customer
    stranger: Customer
    order_id: str
    payment_id: str
    code: str
    email: str
    tokens: dict[str, str]
    """By part. `elsewhere` is another shop of the merchant; the rival's barista works at all of theirs."""
    revoked: str
    """A staff key that is none any more."""
    change_id: str
    """A change of the first shop's account that was called off."""
    refund_id: str
    """Of the coins of another kind that the customer sent; two people have to agree to it."""
    sweep_id: str
    """A sweep of the first shop, over since long."""
    brought_id: str
    """An order of the customer that waits for its payment and is to be brought to them."""
    webhook_id: str
    """Of the merchant, at an address where nobody answers."""
    delivery_id: str
    """Of that the order was confirmed."""

    @property
    def place(self) -> Place:
        """Return where the order was placed."""
        return self.merchant.places[0]

    def order(self) -> str:
        """Return a fresh order of the customer, unpaid."""
        return str(self.customer.order(self.place.shop_id, [{"item_id": self.place.item_id}])["order_id"])

    def ids(self) -> dict[str, str]:
        """Return what stands in path templates."""
        here = self.place
        return {
            "shop_id": here.shop_id,
            "item_id": here.item_id,
            "group_id": here.group_id,
            "order_id": self.order_id,
            "payment_id": self.payment_id,
            "difference_id": "dif_" + 32 * "0",
            "key_id": f"key_{self.revoked.split('_')[1]}",
            "wallet_id": WalletId.like(self.customer.user_id),
            "discount_id": DiscountId.like(self.order_id),
            "change_id": self.change_id,
            "sweep_id": self.sweep_id,
            "refund_id": self.refund_id,
            "webhook_id": self.webhook_id,
            "delivery_id": self.delivery_id,
            "asset": "BTC",
            "currency": "EUR",
        }

    def done(self) -> tuple[int, ...]:
        """Return how much the cast has done so far, in rows, and how many people there are."""
        (row,) = rows_of(self.platform.env, _DONE, actors=self.actors())
        return tuple(row)

    def actors(self) -> list[str]:
        """Return the names under which the cast acts, as events have them."""
        people = (self.customer, self.stranger, self.merchant.owner, self.rival.owner)
        keys = [f"key_{token.split('_')[1]}" for token in (*self.tokens.values(), self.revoked) if token[:3] == "ck_"]
        return [*(person.user_id for person in people), *keys]


def bearer(token: str | None) -> dict[str, str]:
    """Return the headers of a caller, with a key for a write."""
    headers = {"idempotency-key": uuid.uuid4().hex}
    return headers if token is None else {**headers, "authorization": f"Bearer {token}"}


def refund_asked(customer: Customer, payment_id: str) -> JSON:
    """Return the refund of one of the coins of another kind, once the platform has seen them."""
    path = f"/v1/payments/{payment_id}"
    arrived = "the coins of another kind to arrive"
    until(
        arrived,
        lambda: any(not each["counts"] and each["height"] for each in customer.api.get(path)["transfers"]) or None,
    )
    return customer.api.send("POST", f"{path}/refunds", {"to": ELSEWHERE, "asset": "USDT", "units": "1000000"})


def brought(customer: Customer, order_id: str) -> JSON | None:
    """Have an order brought; None while the platform does not know yet that its shop delivers."""
    try:
        return customer.api.send("PUT", f"/v1/orders/{order_id}/destination", HOME)
    except StepFailed as not_yet:
        if "answered 409" in str(not_yet):
            return None
        raise


@contextmanager
def cast_of(platform: Platform, evm_rpc: str) -> Iterator[Cast]:
    """Put everybody on the stage; one staff key is revoked."""
    merchant, rival = Merchant.new(platform, shops=2), Merchant.new(platform, shops=1)
    here, there, theirs = *merchant.places, rival.places[0]
    customer, stranger = Customer(platform.url), Customer(platform.url)
    email = f"{uuid.uuid4().hex}@example.com"
    customer.be_told(email)
    hook = {"url": "http://127.0.0.1:9/hook", "events": ["order.confirmed.v1"], "shop_id": None}
    webhook_id = merchant.owner.api.send("POST", "/v1/webhooks", hook)["webhook_id"]
    order_id = customer.order(here.shop_id, [{"item_id": here.item_id}])["order_id"]
    payment = customer.request_payment(order_id, "USDC")
    wallet = EvmWallet(evm_rpc)
    wallet.pay("USDC", payment["address"], int(payment["due"]["units"]))
    wallet.pay("USDT", payment["address"], 5_000_000)
    wallet.mine(int(payment["confirmations"]))
    revoked = merchant.key("owner")
    key_id = f"key_{revoked.split('_')[1]}"
    merchant.owner.api.send("DELETE", f"/v1/api-keys/{key_id}")
    code = customer.claim(order_id)["code"]
    queued = merchant.owner.api.get
    path = f"/v1/webhooks/{webhook_id}/deliveries"
    delivery = until("the webhook's delivery", lambda: queued(path)["deliveries"] or None)[0]
    refund_id = refund_asked(customer, payment["payment_id"])["refund_id"]
    change_id = merchant.propose(here, "evm")["change_id"]
    merchant.owner.api.send("POST", f"/v1/shops/{here.shop_id}/payout/changes/{change_id}/cancel")
    merchant.owner.api.send("PUT", f"/v1/shops/{here.shop_id}/delivery", {"delivery": {"radius_m": 5000}})
    brought_id = customer.order(here.shop_id, [{"item_id": here.item_id}])["order_id"]
    until("the shop to deliver", lambda: brought(customer, brought_id))
    yield Cast(
        brought_id=brought_id,
        platform=platform,
        merchant=merchant,
        rival=rival,
        customer=customer,
        stranger=stranger,
        order_id=order_id,
        payment_id=payment["payment_id"],
        code=code,
        email=email,
        tokens={
            "customer": token_of(customer.api),
            "stranger": token_of(stranger.api),
            "owner": token_of(merchant.owner.api),
            "rival_owner": token_of(rival.owner.api),
            "manager": merchant.key("manager"),
            "barista": merchant.key("barista", here),
            "elsewhere_owner": merchant.key("owner", there),
            "elsewhere_barista": merchant.key("barista", there),
            "rival_barista": rival.key("barista"),
            "rival_manager": rival.key("manager", theirs),
        },
        revoked=revoked,
        change_id=change_id,
        sweep_id=_swept(platform, here, merchant.owner.user_id),
        refund_id=refund_id,
        webhook_id=webhook_id,
        delivery_id=delivery["delivery_id"],
    )
