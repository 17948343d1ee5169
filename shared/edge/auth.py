"""Who is calling: people by a short signed token, staff by an API key, services by an identity token.

What was verified of a token is remembered in the process until it ends. A staff key is looked up by every call, so that
one that was revoked opens nothing from that commit on. PyJWT is imported by the first call that carries a token.
"""

import hmac
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from shared.edge.ports import ApiKey
from shared.kernel.decision import Role
from shared.kernel.errors import Forbidden, Unauthenticated
from shared.kernel.ids import KeyId, MerchantId, ShopId, UserId

if TYPE_CHECKING:
    from shared.edge.identity import ServiceTokens
    from shared.edge.tokens import CustomerTokens

V = TypeVar("V")

MAX_REMEMBERED: Final = 10_000
MAX_TOKEN: Final = 4096
_API_KEY: Final = re.compile(r"ck_([0-9a-f]{32})_([A-Za-z0-9_-]{32,128})\Z")
_PERSON: Final = frozenset({Role.CUSTOMER, Role.OWNER})
_NOBODY: Final = bytes(32)
_SIGN_IN: Final = "Send `authorization: Bearer …` with the token from signing in, or a staff key."


class Stranger(Forbidden):
    """A service with a good token that is none of this platform's."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, in what roles, for which merchant."""

    actor: str
    roles: frozenset[Role]
    merchant_id: MerchantId | None
    shop_ids: frozenset[ShopId] | None = None
    """The shops that a staff key is for; None for all of the merchant's."""


class Remembered(Generic[V]):
    """Values with an end, the longest unused forgotten first."""

    def __init__(self, size: int = MAX_REMEMBERED, clock: Callable[[], float] = time.monotonic) -> None:
        self._size, self._clock = size, clock
        self._known: OrderedDict[str, tuple[float, V]] = OrderedDict()

    def get(self, key: str) -> V | None:
        """Return the value, or None when there is none or its end is past."""
        found = self._known.get(key)
        if found is None:
            return None
        if found[0] <= self._clock():
            del self._known[key]
            return None
        self._known.move_to_end(key)
        return found[1]

    def put(self, key: str, value: V, seconds: float) -> None:
        """Remember a value for so long at most."""
        self._known[key] = (self._clock() + seconds, value)
        self._known.move_to_end(key)
        if len(self._known) > self._size:
            self._known.popitem(last=False)


class Callers:
    """Knows callers by what their Authorization header carries."""

    def __init__(
        self,
        *,
        api_key: Callable[[KeyId], Awaitable[ApiKey | None]],
        customers: "Callable[[], CustomerTokens]",
        services: "Callable[[], ServiceTokens]",
    ) -> None:
        """The tokens are built by the first caller that carries one: that is what loads PyJWT."""
        self._api_key = api_key
        self._customers, self._services = customers, services
        self._people: Remembered[Caller] = Remembered()
        self._service_callers: Remembered[str] = Remembered(size=64)

    async def person(self, authorization: bytes | None) -> Caller:
        """Return the person or member of staff that is calling. Raises Unauthenticated."""
        token = _bearer(authorization)
        if token.startswith("ck_"):
            return await self._staff(token)
        known = self._people.get(token)
        if known is not None:
            return known
        verified = self._customers().verified(token)
        caller = Caller(verified.user_id, _PERSON, MerchantId.like(verified.user_id))
        self._people.put(token, caller, verified.seconds_left)
        return caller

    async def _staff(self, token: str) -> Caller:
        parts = _API_KEY.match(token)
        if parts is None:
            raise Unauthenticated("This is not a staff key: they look like ck_…_….")
        key = await self._api_key(KeyId(f"key_{parts[1]}"))
        stored = _NOBODY if key is None or key.revoked else key.secret_hash
        same = hmac.compare_digest(sha256(parts[2].encode()).digest(), stored)
        if key is None or not same:
            raise Unauthenticated("This staff key is not known, or was revoked.")
        return Caller(key.key_id, frozenset({key.role}), key.merchant_id, key.shop_ids)

    async def service(self, authorization: bytes | None, query_token: str | None = None) -> str:
        """Return the name of the service that is calling. Raises Unauthenticated, or Stranger.

        A token in the query is looked at only where the settings say that Pub/Sub can't send a header.
        """
        in_query = authorization is None and query_token and self._services().token_in_query
        token = query_token if in_query and query_token else _bearer(authorization)
        known = self._service_callers.get(token)
        if known is not None:
            return known
        verified = await self._services().verified(token)
        self._service_callers.put(token, verified.name, verified.seconds_left)
        return verified.name


def _bearer(authorization: bytes | None) -> str:
    """Return the token of an Authorization header. Raises Unauthenticated."""
    if authorization is None:
        raise Unauthenticated(_SIGN_IN)
    scheme, _, token = authorization.partition(b" ")
    if scheme.lower() != b"bearer" or not token or len(token) > MAX_TOKEN or not token.isascii():
        raise Unauthenticated(_SIGN_IN)
    return token.decode("ascii")


@dataclass(frozen=True, slots=True)
class VerifiedPerson:
    """A token that was good, and for how long it still is."""

    user_id: UserId
    seconds_left: float


@dataclass(frozen=True, slots=True)
class VerifiedService:
    """A service's token that was good, and for how long it still is."""

    name: str
    seconds_left: float
