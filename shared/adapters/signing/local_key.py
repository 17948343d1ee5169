"""A key in this process' memory, for development and tests: whoever reads the environment has the coins."""

from coincurve import PrivateKey

from shared.adapters.signing.ecdsa import checked_digest, with_recovery


class LocalKey:
    """Fulfils `shared.payments.spending.Signer` with a 32-byte secret. Deterministic nonces (RFC 6979)."""

    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)
        self._public_key = self._key.public_key.format()

    async def public_key(self) -> bytes:
        return self._public_key

    async def sign(self, digest: bytes) -> tuple[int, int, int]:
        raw = self._key.sign_recoverable(checked_digest(digest), hasher=None)
        r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big")
        return with_recovery(digest, r, s, self._public_key)

    async def close(self) -> None:
        """Nothing is open."""
