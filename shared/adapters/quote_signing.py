"""Signing quotes and claim tokens with Ed25519 (RFC 8032), so that others can check them."""

from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.settings import ClaimSigningSettings, QuoteSigningSettings


class Ed25519Quotes:
    """Fulfils `shared.payments.ports.QuoteSigner`, and `shared.claims.tokens.ClaimSigner` with another key."""

    def __init__(self, settings: QuoteSigningSettings | ClaimSigningSettings) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(settings.seed)
        keys = (self._key.public_key().public_bytes_raw(), *settings.older)
        self._public_keys = {key_id_of(key): key for key in keys}
        self._key_id = key_id_of(keys[0])

    @property
    def key_id(self) -> str:
        """Return the thumbprint of the key that signs."""
        return self._key_id

    @property
    def public_keys(self) -> Mapping[str, bytes]:
        """Return every public key that verifies, by its id: first the one that signs, then those around it."""
        return self._public_keys

    def sign(self, message: bytes) -> str:
        """Return the signature, 64 bytes in base64."""
        return b64encode(self._key.sign(message)).decode()


def key_id_of(public_key: bytes) -> str:
    """Return a key's JWK thumbprint. Sources: RFC 7638, RFC 8037 appendix A.3."""
    x = urlsafe_b64encode(public_key).rstrip(b"=").decode()
    thumbprint = sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest()
    return urlsafe_b64encode(thumbprint).rstrip(b"=").decode()


def signed_by(public_key: bytes, message: bytes, signature: str) -> bool:
    """Tell whether this key made this signature of the message."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(b64decode(signature, validate=True), message)
    except (InvalidSignature, ValueError):
        return False
    return True
