"""Signing quotes with Ed25519 (RFC 8032), so that a client can check what it is told to pay."""

from base64 import b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.settings import QuoteSigningSettings


class Ed25519Quotes:
    """Fulfils `shared.payments.ports.QuoteSigner`."""

    def __init__(self, settings: QuoteSigningSettings) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(settings.seed)

    @property
    def public_key(self) -> str:
        """Return the public key, 32 bytes in base64."""
        return b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, message: bytes) -> str:
        """Return the signature, 64 bytes in base64."""
        return b64encode(self._key.sign(message)).decode()
