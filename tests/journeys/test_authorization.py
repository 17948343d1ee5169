"""Who may do what, refused one by one: every route, every function, every kind of caller that is not entitled.

Derived from the registry: an operation without a case here fails.
"""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import httpx
import pytest

from emulators.people import sign_in, until
from emulators.platform import Platform
from shared.adapters.postgres.database import Sql
from shared.kernel.ids import EventId, OrderId, PaymentId
from tests.journeys import catalog_requests, notifications_requests, supply_requests, wallets_requests
from tests.journeys.cast import Cast, bearer, rows_of, token_of
from tests.journeys.samples import operations, sample, signed_message
from tests.journeys.tokens import forged_person_tokens, forged_service_tokens, person_token, service_token
from triggers.registry import Entry, load

JSON = dict[str, Any]
_TAKEN: Final = Sql(
    "select count(*) from inbox where event_id = any(:ids::text[])"
    " union all select count(*) from events where causation = any(:ids::text[])"
)
PERSON: Final = frozenset({"customer", "owner"})
ROLES: Final = {
    "customer": PERSON,
    "stranger": PERSON,
    "owner": PERSON,
    "rival_owner": PERSON,
    "manager": {"manager"},
    "barista": {"barista"},
    "elsewhere_owner": {"owner"},
    "elsewhere_barista": {"barista"},
    "rival_manager": {"manager"},
    "rival_barista": {"barista"},
}
MAY: Final = 0
EMPTY: Final = 200


class Case(NamedTuple):
    """What an operation answers those whose role may call it, for the thing of the first shop and its customer.

    MAY: they are entitled. EMPTY: a list with nothing in it.
    """

    customer: int = 404
    owner: int = MAY
    others: int = 404
    """The stranger and the rival."""
    rivals: int = 404
    """The rival's barista, for all their shops."""
    rival_manager: int = 404
    """For one of the rival's shops."""
    elsewhere: int = 404
    """Staff of another shop of the same merchant."""


_AT_A_SHOP: Final = Case(rival_manager=403, elsewhere=403)
_LIST: Final = Case(customer=EMPTY, others=EMPTY, rivals=EMPTY, rival_manager=403, elsewhere=403)
_ORDER: Final = Case(customer=MAY)
_KITCHEN: Final = Case(customer=403)
_CUSTOMERS: Final = Case(customer=MAY, owner=404)
_OWN: Final = Case(customer=MAY, others=MAY, elsewhere=403)
CASES: Final = {
    "approve_refund": Case(),
    "list_refunds": _AT_A_SHOP,
    "request_refund": _ORDER,
    "acknowledge_difference": Case(),
    "cancel_order": _ORDER,
    "cancel_payout": _AT_A_SHOP,
    "confirm_payout": _AT_A_SHOP,
    "create_api_key": Case(elsewhere=403),
    "create_order": _OWN,
    "export_statement": _AT_A_SHOP,
    "generate_payment_address": _CUSTOMERS,
    "get_balances": Case(customer=MAY, others=MAY, rivals=MAY, rival_manager=MAY, elsewhere=MAY),
    "get_claim": _CUSTOMERS,
    "get_claim_qr": _CUSTOMERS,
    "get_kitchen_queue": _LIST,
    "get_order": _ORDER,
    "get_payment": _ORDER,
    "get_payment_qr": _ORDER,
    "get_payout_changes": _AT_A_SHOP,
    "get_reconciliation": Case(customer=MAY, others=MAY, rivals=MAY, rival_manager=MAY, elsewhere=MAY),
    "dispatch_order": _KITCHEN,
    "get_destination": _ORDER,
    "remove_destination": _CUSTOMERS,
    "set_delivery": _AT_A_SHOP,
    "set_destination": _CUSTOMERS,
    "get_receipt": _ORDER,
    "get_timeline": _ORDER,
    "drop_sweep": Case(),
    "get_statement": _AT_A_SHOP,
    "get_sweep": Case(),
    "list_sweeps": _AT_A_SHOP,
    "get_stock": _AT_A_SHOP,
    "import_menu": _AT_A_SHOP,
    "list_orders": _LIST,
    "mark_ready": _KITCHEN,
    "modify_order": _CUSTOMERS,
    "pause_shop": Case(rival_manager=403, elsewhere=MAY),
    "plan_sweep": _AT_A_SHOP,
    "propose_payout": _AT_A_SHOP,
    "prove_payout": _AT_A_SHOP,
    "put_menu_item": _AT_A_SHOP,
    "put_modifier_group": _AT_A_SHOP,
    "rate_shop": _CUSTOMERS,
    "receive_stock": _AT_A_SHOP,
    "redeem_claim": _AT_A_SHOP,
    "register_device": _OWN,
    "register_shop": _OWN,
    "request_payout_challenge": _AT_A_SHOP,
    "requote_payment": _CUSTOMERS,
    "request_photo_upload": _AT_A_SHOP,
    "resume_shop": _AT_A_SHOP,
    "set_photos": _AT_A_SHOP,
    "set_capacity": _AT_A_SHOP,
    "set_confirmations": Case(rival_manager=403, elsewhere=403),
    "set_opening_hours": _AT_A_SHOP,
    "set_preferences": _OWN,
    "set_special_hours": _AT_A_SHOP,
    "set_spreads": _AT_A_SHOP,
    "start_preparing": _KITCHEN,
    "submit_sweep": Case(),
    "update_shop": _AT_A_SHOP,
    **dict.fromkeys(catalog_requests.AT_A_SHOP, _AT_A_SHOP),
    **dict.fromkeys(supply_requests.AT_A_SHOP, _AT_A_SHOP),
    **dict.fromkeys(notifications_requests.THEIR_OWN, Case()),
    **dict.fromkeys(wallets_requests.OWN, _OWN),
    **dict.fromkeys(wallets_requests.CUSTOMERS, _CUSTOMERS),
    "erase_my_data": Case(customer=400, owner=400, others=400),
    "revoke_api_key": Case(elsewhere=403),
    "revoke_claim": _ORDER,
    "confirm_email": _CUSTOMERS,
    "follow_order": _ORDER,
    "get_preferences": _OWN,
    "list_notifications": _OWN,
    "list_webhooks": Case(customer=MAY, others=MAY, rivals=MAY, rival_manager=MAY, elsewhere=MAY),
    "register_webhook": Case(customer=MAY, others=MAY, rival_manager=403, elsewhere=403),
}
PRIVATE: Final = [entry.operation for entry in load().http() if not entry.public]
INNER: Final = [entry.operation for entry in load() if entry.kind != "http"]


@pytest.fixture(scope="module")
def http(platform: Platform) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=platform.url, timeout=10.0) as client:
        yield client


@pytest.fixture(scope="module")
def forged(cast: Cast) -> dict[str, str]:
    """Credentials that are worth nothing, by what is wrong with them."""
    good = cast.tokens["manager"]
    return {
        **forged_person_tokens(cast.platform.env, cast.customer.user_id),
        "a revoked key": cast.revoked,
        "an unknown key": f"ck_{uuid.uuid4().hex}_{'0' * 64}",
        "a key with another secret": f"{good[:-1]}{'0' if good[-1] != '0' else '1'}",
        "a key without its secret": good.rpartition("_")[0],
        "a key with another's secret": f"{good.rpartition('_')[0]}_{cast.tokens['barista'].rpartition('_')[2]}",
    }


def asked(http: httpx.Client, operation: str, cast: Cast, headers: dict[str, str]) -> httpx.Response:
    """Send the good request of an operation under these headers; lists are those of the first shop."""
    good = sample(operation, cast)
    query = {**good.query, "shop_id": cast.place.shop_id} if operation == "list_orders" else good.query
    return http.request(good.method, good.path, params=query, json=good.body, headers=headers)


def refused(reply: httpx.Response, *statuses: int) -> None:
    """Check that a reply is a refusal in the platform's form, which nobody keeps."""
    assert reply.status_code in statuses, (str(reply.request.url), reply.text)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json()["status"] == reply.status_code


def expected(entry: Entry, part: str) -> int:
    """Return what a part is answered."""
    if not ROLES[part] & set(entry.roles):
        return 403
    case = CASES[entry.operation]
    match part:
        case "customer":
            return case.customer
        case "owner":
            return case.owner
        case "stranger" | "rival_owner":
            return case.others
        case "rival_barista":
            return case.rivals
        case "rival_manager":
            return case.rival_manager
        case "elsewhere_owner" | "elsewhere_barista":
            return case.elsewhere
    return MAY


def test_every_route_has_a_case_and_a_sample(cast: Cast) -> None:
    assert sorted(CASES) == sorted(PRIVATE)
    assert set(ROLES) == set(cast.tokens)
    assert [sample(operation, cast).entry.operation for operation in operations()] == operations()


@pytest.mark.parametrize("operation", PRIVATE)
def test_nobody_gets_in_without_a_good_token(
    http: httpx.Client, cast: Cast, forged: dict[str, str], operation: str
) -> None:
    before = cast.done()
    refused(asked(http, operation, cast, bearer(None)), 401)
    for what, token in forged.items():
        reply = asked(http, operation, cast, bearer(token))
        assert reply.status_code == 401, (what, reply.text)
        assert reply.headers["www-authenticate"].startswith("Bearer")
    for authorization in ("Basic dXNlcjpwYXNz", cast.tokens["owner"], f"Bearer  {cast.tokens['owner']}", "Bearer", ""):
        refused(asked(http, operation, cast, {**bearer(None), "authorization": authorization}), 401)
    assert cast.done() == before


@pytest.mark.parametrize("operation", PRIVATE)
def test_nobody_does_what_their_role_may_not_or_with_what_is_not_theirs(
    http: httpx.Client, cast: Cast, operation: str
) -> None:
    before, entry = cast.done(), load()[operation]
    for part, token in cast.tokens.items():
        status = expected(entry, part)
        if status == MAY:
            continue
        reply = asked(http, operation, cast, bearer(token))
        if status == EMPTY:
            assert (reply.status_code, reply.json()) == (200, {"orders": []}), part
            continue
        assert reply.status_code == status, (part, reply.text)
        refused(reply, status)
    assert cast.done() == before


@pytest.mark.parametrize(
    "operation", ["get_order", "get_payment", "get_claim", "cancel_order", "generate_payment_address", "mark_ready"]
)
def test_what_is_somebody_elses_looks_as_if_it_did_not_exist(http: httpx.Client, cast: Cast, operation: str) -> None:
    good, me = sample(operation, cast), cast.tokens["stranger"]
    nowhere = good.path.replace(cast.order_id, OrderId.new()).replace(cast.payment_id, PaymentId.new())
    told = []
    for path in (good.path, nowhere):
        reply = http.request(good.method, path, json=good.body, headers=bearer(me))
        refused(reply, 404)
        told.append({name: said for name, said in reply.json().items() if name != "instance"})
    assert told[0] == told[1]


def test_the_forger_signs_well_when_nothing_is_changed(http: httpx.Client, cast: Cast) -> None:
    token = person_token(cast.platform.env, cast.customer.user_id)
    assert asked(http, "get_order", cast, bearer(token)).status_code == 200


@pytest.mark.parametrize("operation", [name for name in PRIVATE if load()[name].method == "GET"])
def test_what_is_private_is_kept_by_no_cache_and_told_to_no_other_site(
    http: httpx.Client, cast: Cast, operation: str
) -> None:
    token = cast.tokens[sample(operation, cast).part]
    reply = asked(http, operation, cast, {**bearer(token), "origin": "https://elsewhere.example"})
    assert reply.status_code == 200, reply.text
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert not [name for name in reply.headers if name.startswith("access-control-")]


def test_an_idempotency_key_is_its_callers_own(http: httpx.Client, cast: Cast) -> None:
    body, key = sample("create_order", cast).body, {"idempotency-key": uuid.uuid4().hex}
    placed = []
    for part in ("customer", "stranger", "customer"):
        reply = http.post("/v1/orders", json=body, headers={**bearer(cast.tokens[part]), **key})
        assert reply.status_code == 201, reply.text
        placed.append(reply.json()["order_id"])
    assert placed[0] == placed[2] != placed[1]
    nobodys = http.post("/v1/orders", json=body, headers={**bearer(cast.revoked), **key})
    refused(nobodys, 401)


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (401, {"domain": "elsewhere.example"}),
        (401, {"uri": "http://elsewhere.example"}),
        (401, {"uri": "https://{domain}.elsewhere.example"}),
        (401, {"chain_id": "1"}),
        (401, {"address": "0x" + "5a" * 20}),
        (401, {"nonce": "deadbeefdeadbeef"}),
        (401, {"issued_at": "2020-01-01T00:00:00Z"}),
        (401, {"issued_at": "2090-01-01T00:00:00Z", "expires_at": "2091-01-01T00:00:00Z"}),
        (401, {"expires_at": "0001-01-01T00:00:00+23:59"}),
        (400, {"issued_at": "2026-13-45T99:99:99Z"}),
        (400, {"address": "0x123"}),
        (400, {"chain_id": "-1"}),
        (400, {"nonce": "a b"}),
    ],
)
def test_a_message_for_another_site_chain_or_time_signs_nobody_in(
    http: httpx.Client, cast: Cast, status: int, changes: dict[str, str]
) -> None:
    here = http.base_url.netloc.decode()
    said = {name: value.replace("{domain}", here) for name, value in changes.items()}
    refused(http.post("/v1/auth/siwe", json=signed_message(cast.platform.url, **said)), status)


def test_a_signature_signs_in_once(http: httpx.Client, cast: Cast) -> None:
    signed = signed_message(cast.platform.url)
    lower = {**signed, "message": signed["message"].lower()}
    flipped = {**signed, "signature": signed["signature"][:-2] + ("1c" if signed["signature"][-2:] == "1b" else "1b")}
    for wrong in (lower, flipped):
        refused(http.post("/v1/auth/siwe", json=wrong), 400, 401)
    assert http.post("/v1/auth/siwe", json=signed).status_code == 200
    refused(http.post("/v1/auth/siwe", json=signed), 401)


def inner_call(entry: Entry, order_id: str = "") -> tuple[str, JSON, dict[str, str]]:
    """Return the id of a fresh event for a function, its body, and the headers that go with it."""
    event_id = EventId.new()
    type_ = entry.on[0] if entry.on else f"work.{entry.topic}"
    event = {
        "specversion": "1.0",
        "id": event_id,
        "type": type_,
        "source": "/tests",
        "subject": order_id or "ord_" + "0" * 32,
        "time": "2026-11-22T00:00:00Z",
        "sequence": "1",
        "data": {},
    }
    if entry.kind != "work":
        return event_id, event, {"content-type": "application/cloudevents+json"}
    carried = b64encode(json.dumps(event).encode()).decode()
    return event_id, {"message": {"data": carried}}, {"content-type": "application/json"}


@pytest.fixture(scope="module")
def forged_services(cast: Cast) -> dict[str, str]:
    """Tokens that are no service's, by what is wrong with them."""
    others = {"a customer's": cast.tokens["customer"], "a staff key": cast.tokens["manager"]}
    return {**forged_service_tokens(cast.platform.env), **others}


@pytest.mark.parametrize("operation", INNER)
def test_functions_of_the_platform_are_called_by_its_services_alone(
    http: httpx.Client, cast: Cast, forged_services: dict[str, str], operation: str
) -> None:
    env, entry = cast.platform.env, load()[operation]
    url = env["FUNCTION_URL_TEMPLATE"].replace("{function}", operation)
    good, sent = service_token(env, "dispatcher"), []

    def called(token: str | None, query: str = "") -> httpx.Response:
        event_id, body, headers = inner_call(entry)
        sent.append(event_id)
        with_token = {} if token is None else {"authorization": f"Bearer {token}"}
        return http.post(url + query, content=json.dumps(body), headers={**headers, **with_token})

    refused(called(None), 401)
    for what, token in forged_services.items():
        assert called(token).status_code == 401, what
    refused(called(None, f"?token={forged_services['signed by somebody']}"), 401)
    if entry.kind != "work":
        refused(called(None, f"?token={good}"), 401)
    refused(called(service_token(env, "barista")), 403)
    refused(http.get(url, headers={"authorization": f"Bearer {good}"}), 405)
    assert [count for (count,) in rows_of(env, _TAKEN, ids=sent)] == [0, 0]
    believed = called(good)
    assert believed.status_code == (204 if entry.kind == "schedule" else 422), believed.text


def test_a_settlement_that_is_made_up_confirms_nothing(
    http: httpx.Client, cast: Cast, forged_services: dict[str, str]
) -> None:
    env, order_id = cast.platform.env, cast.order()
    payment = cast.customer.request_payment(order_id, "ETH")
    url = env["FUNCTION_URL_TEMPLATE"].replace("{function}", "confirm_order")
    _, event, headers = inner_call(load()["confirm_order"], payment["payment_id"])
    event["data"] = {
        "payment_id": payment["payment_id"],
        "order_id": order_id,
        "shop_id": cast.place.shop_id,
        "merchant_id": cast.merchant.owner.user_id.replace("usr_", "mer_"),
        "customer_id": cast.customer.user_id,
        "received": payment["due"],
        "height": 1,
        "at": "2026-11-22T00:00:00Z",
    }
    for what, token in {**forged_services, "the dispatcher's own": service_token(env, "dispatcher")}.items():
        reply = http.post(url, content=json.dumps(event), headers={**headers, "authorization": f"Bearer {token}"})
        # The dispatcher is believed that something happened, not what: the payment itself is looked at.
        assert reply.status_code == (204 if what == "the dispatcher's own" else 401), what
    assert cast.customer.state(order_id)["status"] == "pending"


def test_logs_tell_of_no_person_and_no_secret(http: httpx.Client, cast: Cast) -> None:
    marker = f"logged-{uuid.uuid4().hex[:16]}"
    _, api = sign_in(cast.platform.url)
    reply = http.get(f"/v1/orders/{cast.order_id}", headers={**bearer(token_of(api)), "correlation-id": marker})
    refused(reply, 404)
    logs = cast.platform.workdir / "logs"
    http_log = logs / "http.log"
    until("the call to be logged", lambda: marker in http_log.read_text() or None)
    payment = cast.customer.payment(cast.payment_id)
    told = {
        "address": payment["address"],
        "link": payment["link"],
        "code": cast.code,
        "bare code": cast.code.replace("-", ""),
        "e-mail": cast.email,
        "mailbox": cast.email.partition("@")[0],
        **{f"token of {part}": token for part, token in cast.tokens.items()},
        "any account key": "xpub6",
        "any test account key": "tpubD",
        "any service token": "eyJhbGciOiJSUzI1NiI",
        "any person's token": "eyJhbGciOiJFZERTQSI",
    }
    for log in sorted(logs.glob("*.log")):
        if log.stem in ("aws", "bitcoin", "ethereum"):
            continue  # of the outside world: a provider, nodes
        text = log.read_text(errors="replace").lower()
        assert [what for what, secret in told.items() if secret.lower() in text] == [], log.name
