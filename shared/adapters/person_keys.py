"""Keys of persons: what is personal in facts is sealed with the key of whom it is about, so that erasing is possible.

A fact is never changed, so what shall be forgotten must not be readable in it: it is sealed (AES-256-GCM) with a key of
32 random bytes that lies in `person_keys`, itself sealed with SEALING_KEY. When the person is erased, the key is
destroyed; chain, replay and proof of the facts go on holding, for they only need the bytes.
"""

import os
from base64 import b64decode, b64encode
from typing import Final

from shared.adapters.sealing import Sealer
from shared.kernel.ids import UserId
from shared.settings import SealingSettings

_MARK: Final = "sealed:"
"""How a sealed text begins in a fact: what has no mark is from before there were keys."""
_KEY_BYTES: Final = 32


class PersonKey:
    """The key of one person."""

    def __init__(self, user_id: UserId, key: bytes) -> None:
        self._context = f"fact:{user_id}"
        self._sealer = Sealer(SealingSettings(key))

    def seal(self, text: str) -> str:
        """Return a text as a fact carries it; never the same twice."""
        return _MARK + b64encode(self._sealer.seal(text, context=self._context)).decode()

    def open(self, told: str) -> str:
        """Return the text that a fact carries; one from before there were keys as it stands."""
        if not told.startswith(_MARK):
            return told
        return self._sealer.open(b64decode(told.removeprefix(_MARK)), context=self._context)


class PersonKeys:
    """Makes and opens the keys of persons."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def fresh(self, user_id: UserId) -> tuple[PersonKey, bytes]:
        """Return a new key, and how it is kept."""
        key = os.urandom(_KEY_BYTES)
        return PersonKey(user_id, key), self._sealer.seal(b64encode(key).decode(), context=f"person:{user_id}")

    def opened(self, user_id: UserId, sealed: bytes) -> PersonKey:
        """Return a key that was kept. Raises Bug for one of somebody else, or sealed with another SEALING_KEY."""
        return PersonKey(user_id, b64decode(self._sealer.open(sealed, context=f"person:{user_id}")))

    def account(self, account: str) -> str:
        """Return the keyed digest by which a wallet's account is found."""
        return "acc:" + self._sealer.digest(account, context="wallet").hex()
