"""The token of a person who signed in: a JWT, signed with Ed25519 or P-256, good for minutes.

The first key of the set signs, all of them verify: a new key is put in front, an old one removed when its last token
has ended. The algorithm follows from the key that `kid` names, never from what the token claims.
"""

import time
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.edge.auth import VerifiedPerson
from shared.kernel.errors import Unauthenticated
from shared.kernel.ids import UserId, uuid7_hex
from shared.settings import CustomerTokenSettings, Misconfigured

LEEWAY_S: Final = 5
_CLAIMS: Final = ["exp", "iat", "sub", "iss", "aud"]


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A fresh token and how long it is good."""

    token: str = field(repr=False)
    expires_in_s: int


@dataclass(frozen=True, slots=True)
class _Key:
    kid: str
    algorithm: str
    private: Ed25519PrivateKey | EllipticCurvePrivateKey = field(repr=False)


class CustomerTokens:
    """Issues and verifies the tokens of people."""

    def __init__(self, settings: CustomerTokenSettings) -> None:
        """Read the keys. Raises Misconfigured when the set is empty, or has a key of another kind or without kid."""
        self._settings = settings
        self._keys = {key.kid: key for key in _keys_of(settings.keys)}

    def issue(self, user_id: UserId) -> IssuedToken:
        """Return a token for a person who has just proven who they are."""
        signer, now = next(iter(self._keys.values())), int(time.time())
        claims = {
            "iss": self._settings.issuer,
            "aud": self._settings.audience,
            "sub": str(user_id),
            "iat": now,
            "exp": now + self._settings.lifetime_s,
            "jti": uuid7_hex(),
        }
        token = jwt.encode(claims, signer.private, algorithm=signer.algorithm, headers={"kid": signer.kid})
        return IssuedToken(token, self._settings.lifetime_s)

    def verified(self, token: str) -> VerifiedPerson:
        """Return whose token this is. Raises Unauthenticated, with one and the same text whatever is wrong."""
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims: dict[str, Any] = jwt.decode(
                token,
                key.private.public_key(),
                algorithms=[key.algorithm],
                issuer=self._settings.issuer,
                audience=self._settings.audience,
                leeway=LEEWAY_S,
                options={"require": _CLAIMS},
            )
            if claims["exp"] - claims["iat"] > self._settings.lifetime_s:
                raise Unauthenticated("The token is not good, or no longer. Sign in again.")
            return VerifiedPerson(UserId.parse(claims["sub"]), max(0.0, claims["exp"] - time.time()))
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as wrong:
            raise Unauthenticated("The token is not good, or no longer. Sign in again.") from wrong


def _keys_of(document: str) -> list[_Key]:
    try:
        found = jwt.PyJWKSet.from_json(document).keys
    except (jwt.PyJWTError, ValueError, AttributeError) as wrong:
        raise Misconfigured("CUSTOMER_TOKEN_KEYS is not a JWKS: {'keys': [{'kty': 'OKP', …}]}.") from wrong
    keys = []
    for one in found:
        algorithm = {Ed25519PrivateKey: "EdDSA", EllipticCurvePrivateKey: "ES256"}
        kind = next((known for known in algorithm if isinstance(one.key, known)), None)
        if kind is None or not one.key_id:
            raise Misconfigured("CUSTOMER_TOKEN_KEYS: each key is a private Ed25519 or P-256 key with a kid.")
        keys.append(_Key(one.key_id, algorithm[kind], one.key))
    return keys
