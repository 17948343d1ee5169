"""Tokens as the platform's own keys would sign them, and as forgers would: of people and of services."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from emulators.keys import SIGNING
from shared.settings import CustomerTokenSettings

Env = Mapping[str, str]


def person_token(env: Env, user_id: str, **changes: object) -> str:
    """Return a token signed with the platform's key, its claims as it would make them but for the changes."""
    settings = CustomerTokenSettings.from_env(env)
    jwk = json.loads(settings.keys)["keys"][0]
    now = int(time.time())
    claims = {"iss": settings.issuer, "aud": settings.audience, "sub": user_id, "iat": now, "exp": now + 600}
    return jwt.encode({**claims, **changes}, jwt.PyJWK(jwk).key, algorithm="EdDSA", headers={"kid": jwk["kid"]})


def forged_person_tokens(env: Env, user_id: str) -> dict[str, str]:
    """Return tokens of a person that must be worth nothing, by what is wrong with them."""
    jwk = json.loads(CustomerTokenSettings.from_env(env).keys)["keys"][0]
    good = person_token(env, user_id)
    head, claims, signature = good.split(".")
    somebody = Ed25519PrivateKey.generate()
    plain = jwt.decode(good, options={"verify_signature": False})
    public = urlsafe_b64decode(jwk["x"] + "=")
    now = int(time.time())
    return {
        "expired": person_token(env, user_id, iat=now - 700, exp=now - 100),
        "of another issuer": person_token(env, user_id, iss="https://elsewhere.example"),
        "for another audience": person_token(env, user_id, aud="elsewhere"),
        "of tomorrow": person_token(env, user_id, iat=now + 86_400, exp=now + 86_500),
        "good for ever": person_token(env, user_id, exp=now + 10**9),
        "of a staff key's name": person_token(env, "key_" + "0" * 32),
        "of nobody": person_token(env, ""),
        "tampered": f"{head}.{_encoded({**plain, 'sub': 'usr_' + '1' * 32})}.{signature}",
        "without its signature": f"{head}.{claims}.",
        "alg none": f"{_encoded({'alg': 'none', 'typ': 'JWT', 'kid': jwk['kid']})}.{claims}.",
        "signed by somebody": jwt.encode(plain, somebody, algorithm="EdDSA", headers={"kid": jwk["kid"]}),
        "of an unknown key": jwt.encode(plain, somebody, algorithm="EdDSA", headers={"kid": "mine"}),
        "keyed with the public key": jwt.encode(plain, public, algorithm="HS256", headers={"kid": jwk["kid"]}),
        "of a key it brings along": jwt.encode(
            plain, somebody, algorithm="EdDSA", headers={"kid": jwk["kid"], "jwk": {"kty": "OKP", "crv": "Ed25519"}}
        ),
        "of a service": service_token(env, "dispatcher"),
    }


def service_token(env: Env, caller: str, *, pem: str | None = None, **changes: object) -> str:
    """Return the token of a service, signed with the platform's key or with `pem`."""
    key = load_pem_private_key((pem or env[SIGNING]).encode(), None)
    now = int(time.time())
    claims = {"iss": env["SERVICE_ISSUER"], "aud": env["SERVICE_AUDIENCE"], "sub": caller, "iat": now, "exp": now + 300}
    kid = json.loads(env["SERVICE_JWKS"])["keys"][0]["kid"]
    return jwt.encode({**claims, **changes}, key, algorithm="RS256", headers={"kid": kid})  # type: ignore[arg-type]  # RSA


def forged_service_tokens(env: Env) -> dict[str, str]:
    """Return tokens of a service that must be worth nothing, by what is wrong with them."""
    somebody = generate_private_key(public_exponent=65537, key_size=2048)
    pem = somebody.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    head, claims, signature = service_token(env, "dispatcher").split(".")
    now = int(time.time())
    return {
        "expired": service_token(env, "dispatcher", iat=now - 900, exp=now - 600),
        "of another issuer": service_token(env, "dispatcher", iss="https://accounts.example"),
        "for another audience": service_token(env, "dispatcher", aud="https://elsewhere.example"),
        "signed by somebody": service_token(env, "dispatcher", pem=pem),
        "tampered": f"{head}.{claims[:-4]}{claims[-4:].swapcase()}.{signature}",
        "alg none": f"{_encoded({'alg': 'none', 'kid': 'any'})}.{claims}.",
        "without its signature": f"{head}.{claims}.",
        "of a person": person_token(env, "usr_" + "1" * 32),
    }


def _encoded(part: Mapping[str, object]) -> str:
    return urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
