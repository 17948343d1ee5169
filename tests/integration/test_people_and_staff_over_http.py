"""Signing in, staff keys, claims and preferences through the edge, as clients use them: roles and bad input too."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators.keys import keys
from shared.adapters.postgres.claims import PostgresClaims, PostgresKnownPeople, PostgresOrderStandings
from shared.adapters.postgres.database import Database
from shared.claims.codes import Codes
from shared.claims.issue_claim_code import issue_claim_code
from shared.claims.ports import Claims
from shared.edge.serve import Front, FunctionApp
from shared.kernel.clock import SystemClock
from shared.kernel.decision import By, Taking
from shared.kernel.ids import EventId, MerchantId, OrderId, PaymentId, ShopId, UserId
from shared.orders.facts import OrderConfirmed
from shared.settings import ClaimCodeSettings, PostgresSettings
from shared.wiring import claims, edge, notifications, resources, wallets
from tests.integration.shops_rows import a_shop, an_order, stands
from tests.signing import DOMAIN, message, signature_of
from triggers.registry import load

SERVED = ("wallets", "claims", "notifications")


def forget_wiring() -> None:
    """Let everything be composed anew, from this test's environment."""
    for module in (claims, edge, notifications, resources, wallets):
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


@pytest.fixture
async def http(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """The HTTP functions of three services behind one front, on this test's own database."""
    env = {
        **keys(tmp_path),
        "DATABASE_URL": database,
        "PUBLIC_URL": f"https://{DOMAIN}",
        "SIWE_DOMAIN": DOMAIN,
        "SIWE_CHAIN_IDS": "31337",
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("REDIS_URL", raising=False)
    forget_wiring()
    registry = load()
    apps = {
        entry.operation: FunctionApp(entry.target, entry.source) for entry in registry.http() if entry.service in SERVED
    }

    def find(method: str, path: str) -> FunctionApp | None:
        found = registry.match(method, path)
        return apps.get(found.entry.operation) if found else None

    transport = httpx.ASGITransport(app=Front(find, allowed=registry.allowed))
    async with httpx.AsyncClient(transport=transport, base_url=f"https://{DOMAIN}") as client:
        yield client
    forget_wiring()


async def signed_in(http: httpx.AsyncClient) -> dict[str, Any]:
    nonce = (await http.post("/v1/auth/nonce")).json()
    assert nonce["domain"] == DOMAIN
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = message(nonce=nonce["nonce"], issued_at=now)
    reply = await http.post("/v1/auth/siwe", json={"message": text, "signature": signature_of(text)})
    assert reply.status_code == 200, reply.text
    assert reply.headers["cache-control"] == "no-store"
    again = await http.post("/v1/auth/siwe", json={"message": text, "signature": signature_of(text)})
    assert (again.status_code, again.json()["type"]) == (401, f"https://{DOMAIN}/problems/sign-in-refused")
    person: dict[str, Any] = reply.json()
    return person


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", **more}


async def test_a_person_signs_in_hires_staff_and_an_order_is_handed_over(
    http: httpx.AsyncClient, database: str
) -> None:
    person = await signed_in(http)
    merchant, customer = MerchantId(person["merchant_id"]), UserId(person["user_id"])
    db = Database(PostgresSettings(database))
    shop, other_shop = await a_shop(db, merchant), await a_shop(db, merchant)
    made = await http.post(
        "/v1/api-keys",
        json={"role": "barista", "shop_id": shop, "label": "counter"},
        headers=bearer(person["token"], **{"idempotency-key": uuid.uuid4().hex}),
    )
    assert made.status_code == 201, made.text
    staff = bearer(made.json()["key"])
    assert (await http.post("/v1/api-keys", json={}, headers=staff)).status_code == 403

    order = await paid_order(db, shop, merchant, customer)
    claim = await http.get(f"/v1/orders/{order}/claim", headers=bearer(person["token"]))
    assert claim.status_code == 200, claim.text
    picture = await http.get(f"/v1/orders/{order}/claim/qr?format=png", headers=bearer(person["token"]))
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    assert (await http.get(f"/v1/orders/{order}/claim", headers=staff)).status_code == 403

    body = {"code": claim.json()["code"], "attempt_id": uuid.uuid4().hex}
    elsewhere = await http.post(f"/v1/shops/{other_shop}/claims/redeem", json=body, headers=staff)
    assert (elsewhere.status_code, elsewhere.json()["type"].rpartition("/")[2]) == (403, "forbidden")
    wrong = await http.post(f"/v1/shops/{shop}/claims/redeem", json={**body, "code": "0000000000"}, headers=staff)
    assert (wrong.status_code, wrong.json()["type"].rpartition("/")[2]) == (404, "wrong-claim-code")
    first = await http.post(f"/v1/shops/{shop}/claims/redeem", json=body, headers=staff)
    again = await http.post(f"/v1/shops/{shop}/claims/redeem", json=body, headers=staff)
    assert (first.status_code, first.json()["order_id"]) == (200, order)
    assert again.json() == first.json()
    late = await http.post(
        f"/v1/shops/{shop}/claims/redeem", json={**body, "attempt_id": uuid.uuid4().hex}, headers=staff
    )
    assert (late.status_code, late.json()["type"].rpartition("/")[2]) == (409, "claim-redeemed")


async def paid_order(db: Database, shop: ShopId, merchant: MerchantId, customer: UserId) -> OrderId:
    order = await an_order(db, shop, merchant, customer)
    using = Claims(
        PostgresClaims(db, region="test"),
        PostgresOrderStandings(db),
        PostgresKnownPeople(db),
        Codes(ClaimCodeSettings.from_env().key),
        SystemClock(),
    )
    fact = OrderConfirmed(
        order_id=order,
        shop_id=shop,
        merchant_id=merchant,
        customer_id=customer,
        at=datetime.now(UTC),
        payment_id=PaymentId.new(),
    )
    by = By("issue_claim_code", once=Taking("issue_claim_code", EventId.new()))
    await issue_claim_code(fact, by=by, using=using)
    await stands(db, order, "ready")
    return order


async def test_preferences_and_devices_are_set_in_person(http: httpx.AsyncClient) -> None:
    me = bearer((await signed_in(http))["token"])
    chosen = {"language": "de", "channels": ["email"], "email": "ada@example.com"}
    told = await http.put("/v1/preferences", json=chosen, headers=me)
    assert (told.status_code, told.headers["etag"]) == (200, '"1"')
    assert "ada@example.com" not in told.text
    stale = await http.put("/v1/preferences", json=chosen, headers={**me, "if-match": '"7"'})
    assert stale.status_code == 412
    phone = await http.post("/v1/devices", json={"platform": "fcm", "token": "t" * 40}, headers=me)
    assert phone.status_code == 201, phone.text


BAD: list[tuple[str, str, Any]] = [
    ("POST", "/v1/auth/siwe", {}),
    ("POST", "/v1/auth/siwe", {"message": "x" * 5000, "signature": "0x" + "00" * 65}),
    ("POST", "/v1/auth/siwe", {"message": "hello", "signature": "0x" + "00" * 65}),
    ("POST", "/v1/auth/siwe", {"message": 1, "signature": None}),
    ("POST", "/v1/auth/siwe", {"message": "\ud800", "signature": "0x" + "00" * 65}),
    ("POST", "/v1/auth/nonce", {"nonce": "mine"}),
    ("POST", "/v1/api-keys", {"role": "customer", "label": "x"}),
    ("POST", "/v1/api-keys", {"role": "owner", "label": "\u0007"}),
    ("POST", "/v1/api-keys", {"role": "owner", "label": "x", "merchant_id": "mer_" + "0" * 32}),
    ("POST", "/v1/api-keys", {"role": "barista", "shop_id": "shp_" + "0" * 32, "label": "x"}),
    ("GET", "/v1/orders/ord_x/claim", None),
    ("GET", "/v1/orders/ord_" + "0" * 32 + "/claim", None),
    ("GET", "/v1/orders/ord_" + "0" * 32 + "/claim/qr?format=gif", None),
    ("POST", "/v1/shops/shp_" + "0" * 32 + "/claims/redeem", {"code": "\ud83d\ude00", "attempt_id": "12345678"}),
    ("POST", "/v1/shops/shp_" + "0" * 32 + "/claims/redeem", {"code": "x", "attempt_id": "1"}),
    ("POST", "/v1/shops/shp_" + "0" * 32 + "/claims/redeem", {"code": ["x"], "attempt_id": "12345678"}),
    ("PUT", "/v1/preferences", {"email": "a@b.c\r\nBcc: d@e.fg"}),
    ("PUT", "/v1/preferences", {"channels": ["push"] * 9}),
    ("PUT", "/v1/preferences", {"quiet_hours": {"starts": "22:00", "ends": "07:00", "timezone": "../../etc"}}),
    ("POST", "/v1/devices", {"platform": "pager", "token": "t" * 40}),
    ("POST", "/v1/devices", {"platform": "fcm", "token": "t" * 4000}),
]


async def test_bad_input_is_refused_with_a_problem(http: httpx.AsyncClient) -> None:
    me = bearer((await signed_in(http))["token"])
    for method, path, body in BAD:
        content = None if body is None else json.dumps(body)
        headers = {**me, "content-type": "application/json", "idempotency-key": uuid.uuid4().hex}
        reply = await http.request(method, path, content=content, headers=headers)
        assert 400 <= reply.status_code < 500, (method, path, body, reply.text)
        assert reply.headers["content-type"] == "application/problem+json"


async def test_every_route_but_signing_in_asks_who_is_there(http: httpx.AsyncClient) -> None:
    for entry in load().http():
        if entry.service in SERVED and not entry.public:
            path = re.sub(r"\{\w+\}", OrderId.new(), entry.path)
            for headers in ({}, bearer("ck_" + "0" * 32 + "_" + "0" * 64), bearer("e30.e30.e30")):
                reply = await http.request(entry.method, path, headers=headers)
                assert reply.status_code == 401, (entry.operation, reply.text)
