"""The identity of a service: an RS256 token with issuer, audience and end, as Google's metadata server gives them.

Dispatcher, ticker and relay mint their own where there is no such server, with `mint_service_token`; the verifier is
the same everywhere. Of Google's tokens only those of the named accounts are believed: anybody gets tokens there.
"""

import functools
import json
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from shared.edge.auth import Stranger, VerifiedService
from shared.kernel.errors import Transient, Unauthenticated
from shared.settings import Misconfigured, ServiceIdentitySettings, ServiceSignerSettings

LIFETIME_S: Final = 600
RENEW_S: Final = 60
LEEWAY_S: Final = 5
REREAD_S: Final = 30.0
"""An unknown key makes the issuer's keys be read again, at most this often, in seconds."""
_CLAIMS: Final = ["exp", "iat", "iss", "aud", "sub"]


class ServiceSigner:
    """Mints tokens for the services of this installation, and keeps each while it is fresh."""

    def __init__(self, settings: ServiceSignerSettings) -> None:
        """Read the key. Raises Misconfigured when it is no RSA private key."""
        self._settings = settings
        self._key = _rsa(settings.key)
        self._kid = kid_of(self._key.public_key())
        self._fresh: dict[tuple[str, int], tuple[float, str]] = {}

    def token(self, caller: str, lifetime_s: int = LIFETIME_S) -> str:
        """Return a token for `caller` ('dispatcher', 'scheduler', 'pubsub') that is good for at least RENEW_S."""
        now = time.time()
        until, token = self._fresh.get((caller, lifetime_s), (0.0, ""))
        if until - RENEW_S > now:
            return token
        claims = {
            "iss": self._settings.issuer,
            "aud": self._settings.audience,
            "sub": caller,
            "iat": int(now),
            "exp": int(now) + lifetime_s,
        }
        token = jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._kid})
        self._fresh[caller, lifetime_s] = (now + lifetime_s, token)
        return token


@functools.cache
def _signer() -> ServiceSigner:
    return ServiceSigner(ServiceSignerSettings.from_env())


def mint_service_token(caller: str, lifetime_s: int = LIFETIME_S) -> str:
    """Return the value for `authorization: Bearer …` of a call by `caller`: 'dispatcher', 'scheduler' or 'pubsub'.

    Cheap to ask for at every call. Raises Misconfigured when SERVICE_SIGNING_KEY, _ISSUER or _AUDIENCE is not set.
    """
    return _signer().token(caller, lifetime_s)


def public_jwks(private_pem: str) -> str:
    """Return the JWKS document (SERVICE_JWKS) that belongs to an RSA private key."""
    public = _rsa(private_pem).public_key()
    member = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(public))
    return json.dumps({"keys": [{**member, "kid": kid_of(public), "alg": "RS256", "use": "sig"}]})


def kid_of(public: RSAPublicKey) -> str:
    """Return the name of a public key: the first 16 hexadecimal digits of the SHA-256 of its DER form."""
    return sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()[:16]


def _rsa(pem: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except ValueError as wrong:
        raise Misconfigured("SERVICE_SIGNING_KEY is not a private key in PEM.") from wrong
    if not isinstance(key, RSAPrivateKey):
        raise Misconfigured("SERVICE_SIGNING_KEY is not an RSA key.")
    return key


class ServiceTokens:
    """Verifies the tokens of services against the issuer's public keys."""

    def __init__(self, settings: ServiceIdentitySettings, keys: Callable[[], Awaitable[bytes]]) -> None:
        """`keys` reads the issuer's JWKS document; it is asked again when a token names a key nobody knows."""
        self._settings = settings
        self._read = keys
        self._keys: dict[str, Any] = {}
        self._read_at = float("-inf")

    @property
    def token_in_query(self) -> bool:
        """Return whether a token may come in the query: Pub/Sub's emulator sends no header."""
        return self._settings.token_in_query

    async def verified(self, token: str) -> VerifiedService:
        """Return which service this is. Raises Unauthenticated, Stranger, Transient without keys."""
        try:
            kid = jwt.get_unverified_header(token)["kid"]
            key = await self._key(kid)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                issuer=self._settings.issuer,
                audience=self._settings.audience,
                leeway=LEEWAY_S,
                options={"require": _CLAIMS},
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as wrong:
            raise Unauthenticated("This function is called by the platform's own services only.") from wrong
        name = str(claims["sub"])
        if "email" in claims:
            name = str(claims["email"]) if claims.get("email_verified") is True else ""
        if name not in self._settings.callers:
            raise Stranger("This service may not call this function.")
        return VerifiedService(name, max(0.0, claims["exp"] - time.time()))

    async def _key(self, kid: str) -> Any:
        if kid not in self._keys and time.monotonic() - self._read_at > REREAD_S:
            document = await self._read()
            try:
                found = jwt.PyJWKSet.from_json(document.decode())
            except (jwt.PyJWTError, ValueError, AttributeError) as wrong:
                raise Transient("The issuer's keys can't be read.") from wrong
            self._keys = {one.key_id: one.key for one in found.keys if one.key_id and one.key_type == "RSA"}
            self._read_at = time.monotonic()
        return self._keys[kid]
