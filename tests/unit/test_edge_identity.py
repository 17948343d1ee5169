"""Tokens and keys: what is verified, what is remembered, what is refused."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shared.edge.auth import Callers, Remembered, Stranger
from shared.edge.identity import ServiceSigner, ServiceTokens, kid_of, public_jwks
from shared.edge.ports import ApiKey
from shared.edge.tokens import CustomerTokens
from shared.kernel.decision import Role
from shared.kernel.errors import Transient, Unauthenticated
from shared.kernel.ids import KeyId, UserId
from shared.settings import (
    CustomerTokenSettings,
    EdgeSettings,
    Misconfigured,
    ServiceIdentitySettings,
    ServiceSignerSettings,
)
from tests.unit.edge_kit import (
    MERCHANT,
    PUBLIC_URL,
    SECRET,
    SHOP,
    USER,
    Memory,
    customer_settings,
    customers,
    ec_jwk,
    identity_settings,
    okp_jwk,
    rsa_pem,
    service_key,
    services,
    signer,
)

ISSUER, AUDIENCE = "https://issuer.example", "cortado"


def tokens(*keys: dict[str, str], lifetime_s: int = 900) -> CustomerTokens:
    return CustomerTokens(CustomerTokenSettings(json.dumps({"keys": keys}), PUBLIC_URL, lifetime_s=lifetime_s))


@pytest.mark.parametrize("make", [okp_jwk, ec_jwk])
def test_a_token_says_who_signed_in(make: Callable[[str], dict[str, str]]) -> None:
    known = tokens(make("k"))
    issued = known.issue(USER)
    verified = known.verified(issued.token)
    assert verified.user_id == USER
    assert 890 < verified.seconds_left <= 900
    assert issued.expires_in_s == 900
    assert issued.token not in repr(issued)


def test_an_old_key_verifies_while_a_new_one_signs() -> None:
    old, new = okp_jwk("old"), ec_jwk("new")
    before = tokens(old).issue(USER).token
    both = tokens(new, old)
    assert both.verified(before).user_id == USER
    assert jwt.get_unverified_header(both.issue(USER).token)["kid"] == "new"
    with pytest.raises(Unauthenticated):
        tokens(new).verified(before)


def forged(**changes: object) -> str:
    """Return a token signed with the platform's own key whose claims are changed; None leaves a claim out."""
    key = jwt.PyJWK(json.loads(customer_settings().keys)["keys"][0])
    now = int(time.time())
    claims = {"iss": PUBLIC_URL, "aud": "cortado", "sub": str(USER), "iat": now, "exp": now + 900, **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key.key, algorithm="EdDSA", headers={"kid": "first"})


def test_the_forgery_is_good_when_nothing_is_changed() -> None:
    assert customers().verified(forged()).user_id == USER


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere"},
        {"aud": "elsewhere"},
        {"exp": 1},
        {"exp": int(time.time()) + 10_000},
        {"exp": None},
        {"iat": None},
        {"iat": int(time.time()) + 600},
        {"sub": None},
        {"sub": "key_" + "1" * 32},
        {"sub": "usr_1"},
    ],
)
def test_a_claim_that_is_wrong_makes_the_token_worthless(changes: dict[str, object]) -> None:
    with pytest.raises(Unauthenticated):
        customers().verified(forged(**changes))


def test_a_token_without_signature_is_worthless() -> None:
    head, claims, _ = forged().split(".")
    unsigned = urlsafe_b64encode(json.dumps({"alg": "none", "kid": "first"}).encode()).rstrip(b"=").decode()
    for token in (f"{head}.{claims}.", f"{unsigned}.{claims}.", f"{unsigned}.{claims}", "", "a.b.c"):
        with pytest.raises(Unauthenticated):
            customers().verified(token)


def test_a_public_key_is_no_shared_secret() -> None:
    public = json.dumps(json.loads(customer_settings().keys)["keys"][0]["x"])
    token = jwt.encode({"sub": str(USER)}, public * 2, algorithm="HS256", headers={"kid": "first"})
    with pytest.raises(Unauthenticated):
        customers().verified(token)


@pytest.mark.parametrize(
    "document", ["", "{}", '{"keys": []}', json.dumps({"keys": [{**okp_jwk("k"), "kid": ""}]}), "[1]"]
)
def test_keys_that_cannot_be_used_are_named(document: str) -> None:
    with pytest.raises(Misconfigured, match="CUSTOMER_TOKEN_KEYS"):
        CustomerTokens(CustomerTokenSettings(document, PUBLIC_URL))


def test_a_public_key_alone_cannot_sign() -> None:
    public = {name: value for name, value in okp_jwk("k").items() if name != "d"}
    with pytest.raises(Misconfigured, match="private"):
        tokens(public)


async def test_a_service_token_says_which_service() -> None:
    verified = await services().verified(signer().token("dispatcher"))
    assert verified.name == "dispatcher"
    assert 590 < verified.seconds_left <= 600


def test_a_service_token_is_minted_anew_only_when_it_ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    mint = ServiceSigner(ServiceSignerSettings(service_key(), ISSUER, AUDIENCE))
    first = mint.token("dispatcher")
    assert mint.token("dispatcher") is first
    assert mint.token("scheduler") != first
    now = time.time()
    monkeypatch.setattr("shared.edge.identity.time.time", lambda: now + 545)
    assert mint.token("dispatcher") != first


def service_token(changes: Mapping[str, object], pem: str | None = None) -> str:
    key = load_pem_private_key((pem or service_key()).encode(), None)
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "dispatcher", "iat": now, "exp": now + 600, **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    kid = json.loads(public_jwks(service_key()))["keys"][0]["kid"]
    return jwt.encode(kept, key, algorithm="RS256", headers={"kid": kid})  # type: ignore[arg-type]  # RSA


@pytest.mark.parametrize(
    "changes", [{"iss": "x"}, {"aud": "x"}, {"exp": 1}, {"exp": None}, {"iat": None}, {"sub": None}]
)
async def test_a_service_token_with_a_wrong_claim_is_worthless(changes: dict[str, object]) -> None:
    with pytest.raises(Unauthenticated):
        await services().verified(service_token(changes))


async def test_a_service_token_of_another_key_is_worthless() -> None:
    with pytest.raises(Unauthenticated):
        await services().verified(service_token({}, rsa_pem()))


@pytest.mark.parametrize(
    ("claims", "believed"),
    [
        ({"sub": "somebody"}, False),
        ({"sub": "1", "email": "dispatcher", "email_verified": True}, True),
        ({"sub": "dispatcher", "email": "other@example", "email_verified": True}, False),
        ({"sub": "dispatcher", "email": "dispatcher", "email_verified": False}, False),
        ({"sub": "dispatcher", "email": "dispatcher"}, False),
    ],
)
async def test_only_the_named_accounts_are_believed(claims: dict[str, object], believed: bool) -> None:
    if believed:
        assert (await services().verified(service_token(claims))).name == "dispatcher"
    else:
        with pytest.raises(Stranger):
            await services().verified(service_token(claims))


async def test_a_key_the_issuer_has_just_added_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    documents, reads, now = [public_jwks(rsa_pem()), public_jwks(service_key())], [], [0.0]
    monkeypatch.setattr("shared.edge.identity.time.monotonic", lambda: now[0])

    async def read() -> bytes:
        reads.append(1)
        return documents[min(len(reads), 2) - 1].encode()

    verifier = ServiceTokens(identity_settings(), read)
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await verifier.verified(signer().token("dispatcher"))
    assert len(reads) == 1
    now[0] = 31.0
    assert (await verifier.verified(signer().token("dispatcher"))).name == "dispatcher"
    assert len(reads) == 2


async def test_keys_of_the_issuer_that_cannot_be_read_are_a_reason_to_try_again() -> None:
    async def read() -> bytes:
        return b"<html>"

    with pytest.raises(Transient):
        await ServiceTokens(identity_settings(), read).verified(signer().token("dispatcher"))


@pytest.mark.parametrize("pem", ["", "nonsense", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"])
def test_a_signing_key_that_cannot_be_used_is_named(pem: str) -> None:
    with pytest.raises(Misconfigured, match="SERVICE_SIGNING_KEY"):
        ServiceSigner(ServiceSignerSettings(pem, ISSUER, AUDIENCE))


def test_the_name_of_a_key_follows_from_it() -> None:
    key = load_pem_private_key(service_key().encode(), None)
    assert kid_of(key.public_key()) == json.loads(public_jwks(service_key()))["keys"][0]["kid"]  # type: ignore[arg-type]  # RSA


async def test_a_staff_key_that_was_revoked_opens_nothing_from_then_on() -> None:
    gateway = Memory()
    token = gateway.add_key(Role.BARISTA, shop=SHOP)
    callers = Callers(api_key=gateway.api_key, customers=customers, services=services)
    caller = await callers.person(f"Bearer {token}".encode())
    told = (caller.merchant_id, caller.shop_ids, caller.roles)
    assert told == (MERCHANT, frozenset({SHOP}), frozenset({Role.BARISTA}))
    gateway.keys = {key_id: replace(key, revoked=True) for key_id, key in gateway.keys.items()}
    with pytest.raises(Unauthenticated):
        await callers.person(f"Bearer {token}".encode())


@pytest.mark.parametrize(
    "token", ["ck_", f"ck_{'G' * 32}_{SECRET}", f"ck_{'0' * 32}_short", f"ck_{'0' * 32}_{'s' * 200}"]
)
async def test_what_is_no_staff_key_is_not_looked_up(token: str) -> None:
    async def api_key(key_id: KeyId) -> ApiKey | None:
        raise AssertionError("asked")

    with pytest.raises(Unauthenticated):
        await Callers(api_key=api_key, customers=customers, services=services).person(f"Bearer {token}".encode())


def test_what_is_remembered_ends_and_is_bounded() -> None:
    now = [0.0]
    known: Remembered[int] = Remembered(size=2, clock=lambda: now[0])
    known.put("a", 1, 10)
    known.put("b", 2, 20)
    assert known.get("a") == 1
    known.put("c", 3, 10)
    assert [known.get(key) for key in "abc"] == [1, None, 3]
    now[0] = 10.0
    assert [known.get(key) for key in "abc"] == [None, None, None]


def test_a_person_owns_the_merchant_of_the_same_digits() -> None:
    assert MERCHANT.like(UserId("usr_" + "7" * 32)) == "mer_" + "7" * 32


SETTINGS = {
    "PUBLIC_URL": "https://api.example/",
    "SERVICE_ISSUER": ISSUER,
    "SERVICE_AUDIENCE": AUDIENCE,
    "SERVICE_JWKS": "/keys.json",
    "SERVICE_SIGNING_KEY": "pem",
    "CUSTOMER_TOKEN_KEYS": "{}",
}


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        (EdgeSettings, "PUBLIC_URL"),
        (CustomerTokenSettings, "CUSTOMER_TOKEN_KEYS"),
        (ServiceIdentitySettings, "SERVICE_JWKS"),
        (ServiceIdentitySettings, "SERVICE_AUDIENCE"),
        (ServiceSignerSettings, "SERVICE_SIGNING_KEY"),
    ],
)
def test_a_missing_setting_is_named(settings: type[EdgeSettings], missing: str) -> None:
    assert settings.from_env(SETTINGS)
    with pytest.raises(Misconfigured, match=missing):
        settings.from_env({name: value for name, value in SETTINGS.items() if name != missing})


def test_google_as_the_issuer_needs_the_accounts_named() -> None:
    google = {**SETTINGS, "SERVICE_ISSUER": "https://accounts.google.com"}
    with pytest.raises(Misconfigured, match="SERVICE_CALLERS"):
        ServiceIdentitySettings.from_env(google)
    named = ServiceIdentitySettings.from_env({**google, "SERVICE_CALLERS": "a@x.example, b@x.example"})
    assert named.callers == {"a@x.example", "b@x.example"}
    assert not named.token_in_query
    assert ServiceIdentitySettings.from_env({**SETTINGS, "PUBSUB_EMULATOR_HOST": "127.0.0.1:1"}).token_in_query


def test_settings_do_not_show_secrets() -> None:
    assert "pem" not in repr(ServiceSignerSettings.from_env(SETTINGS))
    assert "{}" not in repr(CustomerTokenSettings.from_env(SETTINGS))


@pytest.mark.parametrize("wrong", ["-1", "x", "1.5", "٣"])
def test_a_number_that_is_none_is_named(wrong: str) -> None:
    with pytest.raises(Misconfigured, match="RATE_LIMIT_PER_MINUTE"):
        EdgeSettings.from_env({**SETTINGS, "RATE_LIMIT_PER_MINUTE": wrong})
