"""The platform's keys for one machine: made up at the first start, kept in the profile's folder, worth nothing."""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

ISSUER = "https://issuer.cortado.local"
AUDIENCE = "cortado-local"
SIGNING = "SERVICE_SIGNING_KEY"
"""What only the dispatcher, the ticker and the relay are given."""
COIN_KEYS = "SIGNING"
"""What only the functions that send coins are given."""


def keys(workdir: Path) -> dict[str, str]:
    """Return the variables that carry keys, made at the first call for this profile; later ones add what is new."""
    kept = workdir / "keys.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_private(kept, json.dumps(_fresh(), indent=1))
    found: dict[str, str] = json.loads(kept.read_text())
    later = {COIN_KEYS: _coin_keys, "CLAIM_SIGNING_KEY": _random}
    if not later.keys() <= found.keys():
        found |= {name: make() for name, make in later.items() if name not in found}
        write_private(kept, json.dumps(found, indent=1))
    return found


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner can read, all of it or nothing."""
    fresh = path.with_suffix(path.suffix + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(content)
    fresh.replace(path)


def _fresh() -> dict[str, str]:
    from shared.edge.identity import public_jwks

    service = generate_private_key(public_exponent=65537, key_size=2048)
    service_pem = service.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        SIGNING: service_pem,
        "SERVICE_JWKS": public_jwks(service_pem),
        "SERVICE_ISSUER": ISSUER,
        "SERVICE_AUDIENCE": AUDIENCE,
        "CUSTOMER_TOKEN_KEYS": json.dumps({"keys": [_customer_key()]}),
        "CLAIM_CODE_KEY": _random(),
        "CLAIM_SIGNING_KEY": _random(),
        "SEALING_KEY": _random(),
        "QUOTE_SIGNING_KEY": _random(),
        COIN_KEYS: _coin_keys(),
    }


def _random() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _coin_keys() -> str:
    return json.dumps({family: {"kind": "local", "key": secrets.token_hex(32)} for family in ("bitcoin", "evm")})


def _customer_key() -> dict[str, str]:
    private = Ed25519PrivateKey.generate()
    kind = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": secrets.token_hex(8)}
    return kind | {
        "x": _base64url(private.public_key().public_bytes_raw()),
        "d": _base64url(private.private_bytes_raw()),
    }


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
