"""A gateway in memory, keys of every kind and a client: what tests of the edge share with the functions they call."""

import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import httpx
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from shared.edge.auth import Callers
from shared.edge.identity import ServiceSigner, ServiceTokens, public_jwks
from shared.edge.operation import Edge
from shared.edge.ports import ApiKey
from shared.edge.serve import Front, FunctionApp
from shared.edge.tokens import CustomerTokens
from shared.kernel.decision import Claim, Role, StoredReply
from shared.kernel.errors import KeyReused
from shared.kernel.facts import Fact
from shared.kernel.ids import KeyId, MerchantId, ShopId, UserId
from shared.kernel.money import Units
from shared.settings import (
    CustomerTokenSettings,
    EdgeSettings,
    ServiceIdentitySettings,
    ServiceSignerSettings,
)
from triggers.registry import Registry, entry_of

PUBLIC_URL = "https://api.cortado.example"
FUNCTIONS = Path(__file__).parent / "edge_functions.py"
SECRET = "s" * 43
USER = UserId("usr_" + "1" * 32)
MERCHANT = MerchantId("mer_" + "2" * 32)
SHOP = ShopId("shp_" + "3" * 32)
EVENT = "evt_" + "4" * 32

ENTRIES = {
    "place": {"http": "POST /v1/orders", "auth": "customer", "idempotent": True},
    "cancel": {"http": "POST /v1/orders/{order_id}/cancel", "auth": ["customer", "barista"], "idempotent": True},
    "look": {"http": "GET /v1/orders/{order_id}", "auth": ["customer", "manager"]},
    "menu": {"http": "GET /v1/shops/{shop_id}/menu", "auth": "public"},
    "hours": {"http": "PUT /v1/shops/{shop_id}/hours", "auth": "manager", "safe": "it sets", "body_limit": 256},
    "nonce": {"http": "POST /v1/nonces", "auth": "public", "safe": "a nonce is made, nothing is changed"},
    "either": {"http": "GET /v1/either", "auth": ["public", "customer"]},
    "leave": {"http": "DELETE /v1/devices/{device_id}", "auth": "customer", "idempotent": True, "status": 204},
    "confirm": {"on": ["testing.placed.v1", "testing.ready.v1"]},
    "expire": {"every": "60s"},
    "push": {"work": "push-notifications"},
}  # fmt: skip
REGISTRY = Registry(entry_of("testing", operation, keys) for operation, keys in ENTRIES.items())


class Placed(Fact):
    """A fact of the tests."""

    type: ClassVar = "testing.placed.v1"
    total: Units


class Ready(Fact):
    """Another fact of the tests."""

    type: ClassVar = "testing.ready.v1"
    shelf: str = ""


class Memory:
    """A gateway that remembers what a test puts in."""

    def __init__(self) -> None:
        self.keys: dict[str, ApiKey] = {}
        self.replies: dict[tuple[str, str, str], tuple[bytes, StoredReply]] = {}
        self.wait_s: int | None = None
        self.allowed: list[tuple[str, str]] = []
        self.looked_up: list[Claim] = []
        self.state: Mapping[str, str] = {"replica": "ok"}
        self.fails: Exception | None = None

    async def api_key(self, key_id: KeyId) -> ApiKey | None:
        if self.fails:
            raise self.fails
        return self.keys.get(key_id)

    async def stored_reply(self, claim: Claim) -> StoredReply | None:
        self.looked_up.append(claim)
        if self.fails:
            raise self.fails
        stored = self.replies.get((claim.caller, claim.route, claim.key))
        if stored is None:
            return None
        if stored[0] != claim.body_hash:
            raise KeyReused("Take a fresh one.")
        return stored[1]

    def allow(self, caller: str, operation: str) -> int | None:
        self.allowed.append((caller, operation))
        return self.wait_s

    async def ready(self) -> Mapping[str, str]:
        if self.fails:
            raise self.fails
        return self.state

    def keep(self, claim: Claim, reply: StoredReply) -> None:
        self.replies[claim.caller, claim.route, claim.key] = (claim.body_hash, reply)

    def add_key(self, role: Role, *, shop: ShopId | None = None, revoked: bool = False) -> str:
        """Store a staff key and return what its holder sends."""
        key_id = KeyId.new()
        shops = frozenset({shop}) if shop else None
        self.keys[key_id] = ApiKey(key_id, MERCHANT, role, sha256(SECRET.encode()).digest(), shops, revoked)
        return f"ck_{key_id[4:]}_{SECRET}"


GATEWAY = Memory()


@cache
def service_key() -> str:
    return rsa_pem()


def rsa_pem() -> str:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def okp_jwk(kid: str) -> dict[str, str]:
    return {**json.loads(OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate())), "kid": kid}


def ec_jwk(kid: str) -> dict[str, str]:
    return {**json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()))), "kid": kid}


@cache
def customer_settings() -> CustomerTokenSettings:
    return CustomerTokenSettings(json.dumps({"keys": [okp_jwk("first"), ec_jwk("second")]}), PUBLIC_URL)


@cache
def customers() -> CustomerTokens:
    return CustomerTokens(customer_settings())


def identity_settings() -> ServiceIdentitySettings:
    return ServiceIdentitySettings("https://issuer.example", "cortado", public_jwks(service_key()), token_in_query=True)


@cache
def services() -> ServiceTokens:
    async def keys() -> bytes:
        return identity_settings().jwks.encode()

    return ServiceTokens(identity_settings(), keys)


@cache
def signer() -> ServiceSigner:
    return ServiceSigner(ServiceSignerSettings(service_key(), "https://issuer.example", "cortado"))


@cache
def edge() -> Edge:
    callers = Callers(api_key=GATEWAY.api_key, customers=customers, services=services)
    return Edge(EdgeSettings(PUBLIC_URL), GATEWAY, callers)


def customer(user: UserId = USER) -> dict[str, str]:
    """Return the headers of a person who signed in."""
    return {"authorization": f"Bearer {customers().issue(user).token}"}


def staff(role: Role, *, shop: ShopId | None = None, revoked: bool = False) -> dict[str, str]:
    """Return the headers of staff."""
    return {"authorization": f"Bearer {GATEWAY.add_key(role, shop=shop, revoked=revoked)}"}


def dispatcher(caller: str = "dispatcher") -> dict[str, str]:
    """Return the headers of a service."""
    return {"authorization": f"Bearer {signer().token(caller)}"}


@cache
def served(target: str) -> FunctionApp:
    """Return a function as the image would load it."""
    return FunctionApp(target, FUNCTIONS)


def client(target: str) -> httpx.AsyncClient:
    """Return a client of one function, served as the image serves it."""
    function = served(target)
    front = Front(lambda method, path: function, ready=function.ready, public_url=PUBLIC_URL)
    return httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://edge")


def cloud_event(type_: str, fact: Mapping[str, object], **members: object) -> dict[str, object]:
    """Return a structured CloudEvent; a member given as None is left out."""
    whole = {
        "specversion": "1.0",
        "id": EVENT,
        "type": type_,
        "source": "/testing",
        "subject": "ord_" + "5" * 32,
        "time": "2026-03-01T12:00:00Z",
        "datacontenttype": "application/json",
        "sequence": "3",
        "merchantid": MERCHANT,
        "actor": USER,
        "correlationid": "c" * 32,
        "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
        "data": dict(fact),
        **members,
    }
    return {name: value for name, value in whole.items() if value is not None}


def pushed(event: Mapping[str, object], **members: object) -> dict[str, object]:
    """Return the body of a Pub/Sub push that carries an event."""
    encoded = b64encode(json.dumps(event).encode()).decode()
    message = {"data": encoded, "messageId": "1", "attributes": {"type": str(event.get("type"))}}
    return {"message": message, "subscription": "projects/p/subscriptions/push", **members}


def placed(**members: object) -> dict[str, object]:
    """Return an event of a type that `confirm` is registered for."""
    return cloud_event("testing.placed.v1", {"total": "420"}, **members)
