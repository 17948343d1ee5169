"""The people of the story: customers and baristas who use the platform through HTTP alone, as their apps would.

Used by the demo and by the journeys. Blocking. Everything they learn, they learn from replies.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
from eth_account import Account
from eth_account.messages import encode_defunct

from emulators.merchant_keys import MerchantAccount
from shared.client.sync import Client

T = TypeVar("T")
JSON = dict[str, Any]
PATIENCE_S = 30.0
_CODE = re.compile(r"\b[A-Z2-7]{4}-[A-Z2-7]{4}\b")
"""Of a mail that asks whether the address is its reader's."""


class StepFailed(Exception):
    """The platform answered otherwise than the story goes; the message is its problem document, in short."""


class Api:
    """The platform's API as one person uses it: their token, their keys, their patience."""

    def __init__(self, base_url: str, *, token: str | None = None) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=base_url, headers=headers, timeout=10.0)

    def get(self, path: str, **params: object) -> JSON:
        """Return the JSON of a reply; asks again while nobody answers. Raises StepFailed for anything but 2xx."""
        return self._told(self._answer("GET", path, params=_given(params)))

    def raw(self, path: str, *, accept: str = "*/*") -> httpx.Response:
        """Return a reply that is no JSON: a picture. Raises StepFailed for anything but 2xx."""
        response = self._answer("GET", path, headers={"accept": accept})
        self._checked(response)
        return response

    def send(self, method: str, path: str, body: Mapping[str, object] | None = None, *, key: str | None = None) -> JSON:
        """Send a command under a fresh Idempotency-Key, again under the same one while the outcome is unknown."""
        headers = {"idempotency-key": key or uuid.uuid4().hex}
        return self._told(self._answer(method, path, json=body, headers=headers))

    def _answer(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """Return the reply; the same request again while nobody answers or the outcome is unknown, up to 30 s."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                response = self._client.request(method, path, **sent)
            except httpx.TransportError:
                if time.monotonic() > end:
                    raise
            else:
                if response.status_code != 503 or time.monotonic() > end:
                    return response
            time.sleep(0.1)

    def _told(self, response: httpx.Response) -> JSON:
        self._checked(response)
        told: JSON = response.json() if response.content else {}
        return told

    def _checked(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        try:
            problem = response.json()
            said = f"{problem.get('title')}: {problem.get('detail')} {problem.get('errors', '')}"
        except ValueError:
            said = response.text[:200]
        request = response.request
        raise StepFailed(f"{request.method} {request.url.path} answered {response.status_code}: {said}")


def _given(params: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in params.items() if value is not None}


def until(what: str, probe: Callable[[], T | None], *, deadline_s: float = 60.0) -> T:
    """Ask until there is an answer, and return it. Raises StepFailed naming `what` after the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        answer = probe()
        if answer is not None:
            return answer
        if time.monotonic() > end:
            raise StepFailed(f"waited {deadline_s:g} s in vain: {what}")
        time.sleep(0.05)


def sign_in(base_url: str, private_key: str | None = None) -> tuple[JSON, Api]:
    """Sign in with Ethereum; return what the platform said and the API under the token. A fresh wallet by default."""
    account = Account.from_key(private_key) if private_key else Account.create()
    anybody = Api(base_url)
    nonce = anybody.send("POST", "/v1/auth/nonce")
    now = datetime.now(UTC).replace(microsecond=0)
    domain = nonce["domain"]
    message = (
        f"{domain} wants you to sign in with your Ethereum account:\n{account.address}\n\n"
        "Order coffee with Cortado.\n\n"
        f"URI: http://{domain}\nVersion: 1\nChain ID: {nonce['chain_ids'][0]}\nNonce: {nonce['nonce']}\n"
        f"Issued At: {_zulu(now)}\nExpiration Time: {_zulu(now + timedelta(minutes=5))}"
    )
    signature = "0x" + bytes(account.sign_message(encode_defunct(text=message)).signature).hex()
    said = anybody.send("POST", "/v1/auth/siwe", {"message": message, "signature": signature})
    return said, Api(base_url, token=said["token"])


def _zulu(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def prove_payouts(owner: Api, shop_id: str, accounts: Iterable[MerchantAccount]) -> None:
    """Show that the accounts that the shop was registered with are the owner's, so that it can be paid to them."""
    path = f"/v1/shops/{shop_id}/payout"
    for account in accounts:
        asked = owner.send("POST", f"{path}/challenges", {"family": account.family})
        signature = account.sign(asked["message"])
        owner.send("POST", f"{path}/proofs", {"nonce": asked["nonce"], "signature": signature})


class Customer:
    """Somebody who wants coffee."""

    def __init__(self, base_url: str, private_key: str | None = None) -> None:
        said, self.api = sign_in(base_url, private_key)
        self.user_id: str = said["user_id"]
        self._base_url, self._token = base_url, said["token"]

    def watch(self, order_id: str, seen: Callable[[str], None]) -> threading.Thread:
        """Let an app of theirs follow an order, over an open connection, until it is over; `seen` hears each status."""

        def follow() -> None:
            with Client(self._base_url, token=self._token) as app:
                for order in app.follow(order_id):
                    seen(str(order.status))

        watching = threading.Thread(target=follow, name=f"app-{order_id}", daemon=True)
        watching.start()
        return watching

    def be_told(self, email: str, *, language: str = "en", mailbox: Mailbox | None = None) -> None:
        """Ask to be told by e-mail and on one phone; with the mailbox, confirm that the address is theirs."""
        self.api.send("POST", "/v1/devices", {"platform": "fcm", "token": uuid.uuid4().hex, "label": "phone"})
        self.api.send("PUT", "/v1/preferences", {"language": language, "email": email})
        if mailbox is not None:
            code = until("the mail with the code", lambda: mailbox.code(email))
            self.api.send("POST", "/v1/preferences/email/confirm", {"code": code})

    def shops_near(self, latitude: float, longitude: float, *, radius_m: int = 3000) -> list[JSON]:
        """Return the nearest open shops."""
        found: list[JSON] = self.api.get("/v1/shops", lat=latitude, lon=longitude, radius_m=radius_m, open_now="true")[
            "shops"
        ]
        return found

    def menu(self, shop_id: str) -> JSON:
        """Return a shop's menu."""
        return self.api.get(f"/v1/shops/{shop_id}/menu")

    def order(self, shop_id: str, lines: list[JSON], *, key: str | None = None, note: str = "") -> JSON:
        """Place an order and return it."""
        return self.api.send("POST", "/v1/orders", {"shop_id": shop_id, "lines": lines, "note": note}, key=key)

    def request_payment(self, order_id: str, asset: str) -> JSON:
        """Return a payment with an address of its own."""
        return self.api.send("POST", f"/v1/orders/{order_id}/payments", {"asset": asset})

    def state(self, order_id: str) -> JSON:
        """Return the order as it is now."""
        return self.api.get(f"/v1/orders/{order_id}")

    def payment(self, payment_id: str) -> JSON:
        """Return the payment as it is now."""
        return self.api.get(f"/v1/payments/{payment_id}")

    def ask_back(self, payment_id: str, address: str) -> JSON:
        """Ask for everything of a payment that is the customer's to have back; return the refund."""
        return self.api.send("POST", f"/v1/payments/{payment_id}/refunds", {"to": address})

    def wait_for(self, order_id: str, status: str, *, deadline_s: float = 60.0) -> JSON:
        """Return the order once it has this status."""

        def arrived() -> JSON | None:
            order = self.state(order_id)
            return order if order["status"] == status else None

        return until(f"order {order_id} to be {status}", arrived, deadline_s=deadline_s)

    def claim(self, order_id: str, *, deadline_s: float = 60.0) -> JSON:
        """Return the claim with its code, once it was issued."""

        def issued() -> JSON | None:
            try:
                return self.api.get(f"/v1/orders/{order_id}/claim")
            except StepFailed as not_yet:
                if "answered 404" in str(not_yet):
                    return None
                raise

        return until(f"the claim of {order_id}", issued, deadline_s=deadline_s)


class Barista:
    """Somebody who makes coffee, with a staff key of one shop."""

    def __init__(self, base_url: str, shop_id: str, key: str) -> None:
        self.api = Api(base_url, token=key)
        self.shop_id = shop_id

    @classmethod
    def hired(cls, base_url: str, owner: Api, shop_id: str) -> Barista:
        """Return a barista with a fresh key that the owner made for this shop."""
        made = owner.send("POST", "/v1/api-keys", {"role": "barista", "shop_id": shop_id, "label": "counter"})
        return cls(base_url, shop_id, made["key"])

    def queue(self) -> list[JSON]:
        """Return what is to be made and handed out."""
        orders: list[JSON] = self.api.get(f"/v1/shops/{self.shop_id}/queue")["orders"]
        return orders

    def prepare(self, order_id: str) -> JSON:
        """Begin to make an order."""
        return self.api.send("POST", f"/v1/orders/{order_id}/prepare")

    def ready(self, order_id: str) -> JSON:
        """Put it on the counter."""
        return self.api.send("POST", f"/v1/orders/{order_id}/ready")

    def redeem(self, code: str, *, attempt_id: str | None = None) -> JSON:
        """Hand over against a code."""
        body = {"code": code, "attempt_id": attempt_id or uuid.uuid4().hex}
        return self.api.send("POST", f"/v1/shops/{self.shop_id}/claims/redeem", body)


class Mailbox:
    """Where the local SES and SNS keep what was sent."""

    def __init__(self, aws_url: str) -> None:
        self._api = Api(aws_url)

    def mails(self, address: str) -> list[str]:
        """Return the subjects of the mails to an address, in the order they were sent, but of those with a code."""
        return [str(mail["subject"]) for mail in self._sent(address) if not _CODE.search(str(mail["body"]))]

    def code(self, address: str) -> str | None:
        """Return the code of the last mail that asked for the address, or None where none came yet."""
        codes = [found[0] for mail in self._sent(address) if (found := _CODE.search(str(mail["body"])))]
        return codes[-1] if codes else None

    def _sent(self, address: str) -> list[JSON]:
        sent = self._api.get("/moto-api/data.json").get("ses", {}).get("Message", [])
        return [mail for mail in sent if address in str(mail["destinations"])]

    def pushed(self) -> int:
        """Return how many push messages were taken in all."""
        endpoints = self._api.get("/moto-api/data.json").get("sns", {}).get("PlatformEndpoint", [])
        return sum(len(endpoint.get("messages", {})) for endpoint in endpoints)
