"""Access tokens of the service account that a function runs as, from the metadata server beside it."""

import time
from collections.abc import Callable
from typing import Final

import httpx
import msgspec

from shared.adapters.resilience import Guard, Limits
from shared.kernel.errors import Transient

METADATA_URL: Final = "http://metadata.google.internal"
_PATH: Final = "/computeMetadata/v1/instance/service-accounts/default/token"
_LIMITS: Final = Limits(timeout_s=2, attempts=3, concurrent=4)
_RENEW_S: Final = 120.0
"""A token is asked for anew when it ends this soon; the metadata server has a fresh one by then."""


class _Busy(Exception):
    """The metadata server can't answer now."""


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float


class MetadataTokens:
    """The tokens of one process, kept until shortly before they end."""

    def __init__(self, url: str = METADATA_URL, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url + _PATH
        self._clock = clock
        self._client = httpx.AsyncClient(timeout=_LIMITS.timeout_s, trust_env=False)
        self._guard = Guard("metadata", _LIMITS, (httpx.TransportError, _Busy))
        self._kept: tuple[float, str] | None = None

    async def token(self) -> str:
        """Return a token that is good for two minutes at least. Raises Transient."""
        if self._kept is None or self._kept[0] <= self._clock():
            asked = self._clock()
            fresh = await self._guard.call(self._ask)
            self._kept = (asked + fresh.expires_in - _RENEW_S, fresh.access_token)
        return self._kept[1]

    def forget(self) -> None:
        """Ask anew next time: the token was refused."""
        self._kept = None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self) -> _Token:
        reply = await self._client.get(self._url, headers={"Metadata-Flavor": "Google"})
        if reply.status_code == 429 or reply.status_code >= 500:
            raise _Busy(f"status {reply.status_code}")
        if reply.status_code != 200:
            raise Transient(f"The metadata server gives no token: status {reply.status_code}.")
        try:
            return msgspec.json.decode(reply.content, type=_Token)
        except msgspec.DecodeError as error:
            raise Transient("The metadata server's answer is no token.") from error
