"""A key in Google Cloud KMS (EC_SIGN_SECP256K1_SHA256, an HSM's): it signs there, and can't be taken away.

Over REST, because two calls need no client library: `publicKey` and `asymmetricSign`. Requests and answers carry
CRC-32C checksums that are checked on both sides, as KMS documents; an answer that does not fit is asked for again, and
never used. KMS takes any 32 bytes where it says `sha256`: for Ethereum they are a Keccak-256.
Source: https://cloud.google.com/kms/docs/data-integrity-guidelines
"""

from base64 import b64decode, b64encode
from typing import Final, Protocol, TypeVar

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from shared.adapters.resilience import Guard, Limits
from shared.adapters.signing.crc32c import crc32c
from shared.adapters.signing.ecdsa import SignerUntrusted, checked_digest, from_der, with_recovery
from shared.kernel.errors import Transient

T = TypeVar("T")

KMS_URL: Final = "https://cloudkms.googleapis.com"
ALGORITHM: Final = "EC_SIGN_SECP256K1_SHA256"
LIMITS: Final = Limits(timeout_s=5, attempts=3, first_pause_s=0.1, concurrent=8)


class SignerRefused(Transient):
    """KMS understood and refused: a key that is disabled, a right that is missing. Somebody must set it right."""


class _Busy(Exception):
    """KMS can't answer now."""


class _Garbled(Exception):
    """A checksum does not fit: something on the way changed the bytes."""


class Tokens(Protocol):
    """Where access tokens come from."""

    async def token(self) -> str:
        """Return a token. Raises Transient."""
        ...

    def forget(self) -> None:
        """Make the next token a fresh one."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


class _PublicKey(msgspec.Struct):
    pem: str
    algorithm: str
    name: str
    pem_crc32c: str = msgspec.field(name="pemCrc32c")


class _Signature(msgspec.Struct):
    signature: str
    name: str
    signature_crc32c: str = msgspec.field(name="signatureCrc32c")
    verified_digest_crc32c: bool = msgspec.field(name="verifiedDigestCrc32c", default=False)


class CloudKms:
    """Fulfils `shared.payments.spending.Signer`. `key_version` is `projects/…/cryptoKeyVersions/n`, one for ever."""

    def __init__(self, key_version: str, tokens: Tokens, *, url: str = KMS_URL, limits: Limits = LIMITS) -> None:
        self._name = key_version
        self._tokens = tokens
        self._url = f"{url}/v1/{key_version}"
        self._client = httpx.AsyncClient(timeout=limits.timeout_s, trust_env=False)
        self._guard = Guard("kms", limits, (httpx.TransportError, _Busy, _Garbled))
        self._public_key: bytes | None = None

    async def public_key(self) -> bytes:
        if self._public_key is None:
            self._public_key = await self._guard.call(self._read_public_key)
        return self._public_key

    async def sign(self, digest: bytes) -> tuple[int, int, int]:
        public_key = await self.public_key()
        der = await self._guard.call(lambda: self._sign(checked_digest(digest)))
        return with_recovery(digest, *from_der(der), public_key)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._tokens.close()

    async def _read_public_key(self) -> bytes:
        answer = _decoded(_PublicKey, await self._ask("GET", "/publicKey"))
        self._same(answer.name)
        if answer.pem_crc32c != str(crc32c(answer.pem.encode())):
            raise _Garbled("the public key")
        if answer.algorithm != ALGORITHM:
            raise SignerUntrusted(f"{self._name} is a key for {answer.algorithm}, not for {ALGORITHM}")
        try:
            key = load_pem_public_key(answer.pem.encode())
        except ValueError as error:
            raise SignerUntrusted(f"the public key of {self._name} can't be read") from error
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256K1):
            raise SignerUntrusted(f"{self._name} is no key on secp256k1")
        return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    async def _sign(self, digest: bytes) -> bytes:
        body = {"digest": {"sha256": b64encode(digest).decode()}, "digestCrc32c": str(crc32c(digest))}
        answer = _decoded(_Signature, await self._ask("POST", ":asymmetricSign", msgspec.json.encode(body)))
        self._same(answer.name)
        if not answer.verified_digest_crc32c:
            raise _Garbled("the digest, before KMS had it")
        try:
            signature = b64decode(answer.signature, validate=True)
        except ValueError as error:
            raise _Garbled("the signature") from error
        if answer.signature_crc32c != str(crc32c(signature)):
            raise _Garbled("the signature")
        return signature

    def _same(self, name: str) -> None:
        if name != self._name:
            raise SignerUntrusted(f"KMS answered for the key {name[:200]!r}, not for {self._name}")

    async def _ask(self, method: str, suffix: str, body: bytes | None = None) -> bytes:
        """Return the body of an answer of 200. A token that is refused is replaced once."""
        for first in (True, False):
            reply = await self._client.request(
                method,
                self._url + suffix,
                content=body,
                headers={"Authorization": f"Bearer {await self._tokens.token()}", "Content-Type": "application/json"},
            )
            if reply.status_code != 401 or not first:
                break
            self._tokens.forget()
        if reply.status_code == 200:
            return reply.content
        if reply.status_code == 429 or reply.status_code >= 500:
            raise _Busy(f"status {reply.status_code}")
        raise SignerRefused(f"Cloud KMS refused {self._name}: status {reply.status_code}.")


def _decoded(kind: type[T], raw: bytes) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise _Garbled("the answer") from error
