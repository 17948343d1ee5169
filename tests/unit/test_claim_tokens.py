"""Claim tokens: what a shop can tell of a scanned QR code with nothing but a published key, and what it can't."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.component import ROOT
from shared.adapters.qr import QrPictures
from shared.adapters.quote_signing import Ed25519Quotes, signed_by
from shared.claims.get_claim_key import get_claim_key
from shared.claims.tokens import GOOD_S, KID_CHARS, MOST, SKEW_S, STEP_S, Unreadable, read, times, token_of
from shared.claims.verify_claim import Verdict, judge
from shared.kernel.ids import ClaimId, OrderId, ShopId
from shared.settings import ClaimSigningSettings, Misconfigured
from shared.wiring.verify_claim import main

JSON = dict[str, Any]
NOW: Final = datetime(2026, 5, 6, 12, 0, 0, tzinfo=UTC)
SIGNER: Final = Ed25519Quotes(ClaimSigningSettings(bytes(range(32))))
OTHER: Final = Ed25519Quotes(ClaimSigningSettings(bytes(32)))
CLAIM, SHOP = ClaimId.new(), ShopId.new()
MADE: Final = token_of(CLAIM, SHOP, 3, now=NOW, signer=SIGNER)


def verdict(token: str, *, now: datetime = NOW, keys: Ed25519Quotes = SIGNER, shop: ShopId | None = SHOP) -> Verdict:
    return judge(read(token), keys.public_keys, signed_by=signed_by, now=now, shop_id=shop).verdict


def forged(head: JSON | None = None, said: JSON | None = None) -> str:
    """Return a token with other words, signed well by the platform's key: only the words are wrong."""
    parts = [json.loads(urlsafe_b64decode(part + "==")) for part in MADE.split(".")[:2]]
    for part, changes in zip(parts, (head or {}, said or {}), strict=True):
        part |= changes
    told = [{name: value for name, value in part.items() if value is not None} for part in parts]
    encoded = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in told]
    signature = SIGNER.sign(".".join(encoded).encode()).rstrip("=").replace("+", "-").replace("/", "_")
    return ".".join([*encoded, signature])


def test_a_token_says_which_claim_where_and_when_and_fits_a_small_picture() -> None:
    token = read(MADE)
    assert (token.claim_id, token.shop_id, token.serial) == (CLAIM, SHOP, 3)
    assert (token.issued_at, token.expires_at) == (NOW.timestamp(), NOW.timestamp() + GOOD_S)
    assert len(MADE) <= 340
    assert len(QrPictures().draw(MADE, "png")) < 20_000
    judged = judge(token, SIGNER.public_keys, signed_by=signed_by, now=NOW)
    assert judged.order_id == OrderId.like(CLAIM)


def test_within_its_step_a_claim_has_one_token_and_another_in_the_next() -> None:
    made = {token_of(CLAIM, SHOP, 3, now=NOW + timedelta(seconds=s), signer=SIGNER) for s in range(STEP_S)}
    assert made == {MADE}
    assert token_of(CLAIM, SHOP, 3, now=NOW + timedelta(seconds=STEP_S), signer=SIGNER) != MADE
    assert token_of(CLAIM, SHOP, 4, now=NOW, signer=SIGNER) != MADE
    assert times(NOW + timedelta(seconds=29)) == (NOW + timedelta(seconds=GOOD_S), NOW + timedelta(seconds=STEP_S))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-SKEW_S - 1, Verdict.EXPIRED),
        (-SKEW_S, Verdict.GENUINE),
        (0, Verdict.GENUINE),
        (GOOD_S + SKEW_S - 1, Verdict.GENUINE),
        (GOOD_S + SKEW_S, Verdict.EXPIRED),
        (86_400, Verdict.EXPIRED),
    ],
)
def test_a_token_is_good_for_its_minute(seconds: int, expected: Verdict) -> None:
    assert verdict(MADE, now=NOW + timedelta(seconds=seconds)) is expected


def test_another_shop_another_key_and_an_unknown_key_are_told_apart() -> None:
    assert verdict(MADE, shop=ShopId.new()) is Verdict.ELSEWHERE
    assert verdict(MADE, shop=None) is Verdict.GENUINE
    assert verdict(MADE, keys=OTHER) is Verdict.NO_KEY
    assert verdict(forged(head={"kid": OTHER.key_id[:KID_CHARS]}), keys=OTHER) is Verdict.FORGED


def test_a_new_key_is_known_before_it_signs_and_an_old_one_after() -> None:
    old, new = next(iter(SIGNER.public_keys.values())), next(iter(OTHER.public_keys.values()))
    before = Ed25519Quotes(ClaimSigningSettings(bytes(range(32)), (new,)))
    after = Ed25519Quotes(ClaimSigningSettings(bytes(32), (old,)))
    for keys in (before, after):
        for signer in (SIGNER, OTHER):
            assert verdict(token_of(CLAIM, SHOP, 0, now=NOW, signer=signer), keys=keys) is Verdict.GENUINE


@given(st.integers(0, len(MADE) - 1), st.sampled_from("ABCxyz019-_."))
def test_a_token_with_another_character_anywhere_is_never_genuine(place: int, character: str) -> None:
    changed = MADE[:place] + character + MADE[place + 1 :]
    if changed == MADE:
        return
    try:
        assert verdict(changed) in (Verdict.FORGED, Verdict.NO_KEY)
    except Unreadable:
        return


@pytest.mark.parametrize(
    "token",
    [
        "",
        "7K3FQ-XM9TA",
        "a.b",
        "a.b.c",
        "...",
        f"{MADE}.",
        f"{MADE}=",
        f" {MADE}",
        MADE.replace(".", ".."),
        "x" * (MOST + 1),
        MADE.replace("e", "е", 1),
        forged(head={"alg": "none"}),
        forged(head={"alg": "HS256"}),
        forged(head={"typ": "JWT"}),
        forged(head={"typ": None}),
        forged(head={"crit": ["exp"]}),
        forged(head={"kid": 7}),
        forged(said={"sub": "ord_" + "0" * 32}),
        forged(said={"sub": 1}),
        forged(said={"aud": "*"}),
        forged(said={"aud": [SHOP]}),
        forged(said={"exp": None}),
        forged(said={"exp": 1e300}),
        forged(said={"exp": 1 << 50}),
        forged(said={"exp": True}),
        forged(said={"n": -1}),
        forged(said={"admin": True}),
        "W10.W10.W10",
        urlsafe_b64encode(b"[" * 300).rstrip(b"=").decode() + ".W10.W10",
    ],
)
def test_what_is_no_claim_token_is_unreadable_even_well_signed(token: str) -> None:
    with pytest.raises(Unreadable):
        read(token)


def test_any_library_for_jwts_verifies_it() -> None:
    (key,) = (jwt.PyJWK({"kty": "OKP", "crv": "Ed25519", "x": x}) for x in [published()["keys"][0]["x"]])
    told = jwt.decode(MADE, key.key, algorithms=["EdDSA"], audience=SHOP, options={"verify_exp": False})
    assert told["sub"] == CLAIM


def published() -> JSON:
    """Return what get_claim_key answers."""
    import asyncio

    found: JSON = json.loads(asyncio.run(get_claim_key(using=SIGNER)).body)
    return found


def test_the_published_key_is_a_jwk_set_that_may_be_kept() -> None:
    import asyncio

    reply = asyncio.run(get_claim_key(using=SIGNER))
    assert reply.headers["cache-control"] == "public, max-age=3600"
    (key,) = json.loads(reply.body)["keys"]
    assert (key["kty"], key["crv"], key["alg"], key["kid"]) == ("OKP", "Ed25519", "EdDSA", SIGNER.key_id[:KID_CHARS])


def test_the_command_tells_a_shop_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(published()))
    at, here = ["--at", NOW.isoformat()], ["--keys", str(keys), "--shop", SHOP]
    assert main([MADE, *here, *at]) == Verdict.GENUINE
    assert main([MADE, *here]) == Verdict.EXPIRED
    assert main([MADE, *at, "--keys", str(keys), "--shop", ShopId.new()]) == Verdict.ELSEWHERE
    assert main([MADE, *at]) == Verdict.NO_KEY
    assert main([MADE, *at, "--keys", str(tmp_path / "none.json")]) == Verdict.NO_KEY
    assert main(["7K3FQ-XM9TA", *here, *at]) == Verdict.UNREADABLE
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{MADE}\n"))
    assert main([*here, *at]) == Verdict.GENUINE


def test_the_command_needs_no_server_library() -> None:
    servers = ["pg8000", "functions_framework", "redis", "confluent_kafka", "httpx"]
    check = f"import sys, shared.wiring.verify_claim; print([name for name in {servers} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_keys_that_are_none_are_named() -> None:
    good = {"CLAIM_SIGNING_KEY": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}
    assert ClaimSigningSettings.from_env(good).older == ()
    with pytest.raises(Misconfigured, match="CLAIM_SIGNING_KEY"):
        ClaimSigningSettings.from_env({})
    with pytest.raises(Misconfigured, match="CLAIM_OTHER_KEYS"):
        ClaimSigningSettings.from_env({**good, "CLAIM_OTHER_KEYS": "AAAA"})
