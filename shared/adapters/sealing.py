"""Sealing: what only the platform may read (e-mail addresses, device tokens, account keys), encrypted at rest.

AES-256-GCM with a random 96-bit nonce, bound to a context such as `email:usr_…`: a sealed value that is moved to
another row does not open there. Layout: one byte format (1), 12 bytes nonce, ciphertext, 16 bytes tag.
"""

import hmac
import os
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from shared.kernel.errors import Bug
from shared.settings import SealingSettings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_FORMAT: Final = b"\x01"
_NONCE_BYTES: Final = 12


class Sealer:
    """Seals and opens texts with one key, and makes the digests by which sealed texts are found.

    The ciphers are loaded by the first call that needs them.
    """

    def __init__(self, settings: SealingSettings) -> None:
        self._settings = settings
        self._digest_key = hmac.digest(settings.key, b"digest", sha256)

    @cached_property
    def _cipher(self) -> "AESGCM":
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._settings.key)

    def seal(self, text: str, *, context: str) -> bytes:
        """Return the text sealed for `context`; never the same bytes twice."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, text.encode(), context.encode())

    def open(self, sealed: bytes, *, context: str) -> str:
        """Return the text. Raises Bug when it was sealed with another key, for another context, or was changed."""
        from cryptography.exceptions import InvalidTag

        if not sealed.startswith(_FORMAT):
            raise Bug("a sealed value has an unknown format")
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, rest, context.encode()).decode()
        except InvalidTag as wrong:
            raise Bug("a sealed value does not open: another key, another context, or changed bytes") from wrong

    def digest(self, text: str, *, context: str) -> bytes:
        """Return a keyed digest (32 bytes): equal texts in equal contexts are found by it, and nothing else is told."""
        return hmac.digest(self._digest_key, f"{context}\n{text}".encode(), sha256)
