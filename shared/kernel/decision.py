"""On whose behalf an operation runs, why, what makes it happen once, and what it hands to a store.

A store loads a `Stored` state with its version and head hash; the operation's rule turns it into facts; the store
appends state, facts and outbox in one statement. `By` carries the caller, the cause and the once-token through.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, ShopId, uuid7_hex

S = TypeVar("S")


class Role(StrEnum):
    """Who may call an HTTP operation. A person who signed in is a customer, and the owner of their own merchant."""

    PUBLIC = "public"
    CUSTOMER = "customer"
    OWNER = "owner"
    MANAGER = "manager"
    BARISTA = "barista"
    SERVICE = "service"


STAFF = frozenset({Role.OWNER, Role.MANAGER, Role.BARISTA})


@dataclass(frozen=True, slots=True)
class Claim:
    """An Idempotency-Key, bound to caller, route and body. Stored in the commit of the effect."""

    caller: str
    route: str
    key: str
    body_hash: bytes


@dataclass(frozen=True, slots=True)
class Taking:
    """An event taken from the inbox by one operation. Stored in the commit of the effect."""

    operation: str
    event_id: str


@dataclass(frozen=True, slots=True)
class By:
    """On whose behalf, because of what, and what makes it happen once."""

    actor: str
    """usr_…, key_…, or the name of the event or scheduled function."""
    roles: frozenset[Role] = frozenset({Role.SERVICE})
    merchant_id: MerchantId | None = None
    """The merchant whose owner or staff is calling; None for services and the public."""
    correlation: str = field(default_factory=uuid7_hex)
    causation: str | None = None
    traceparent: str | None = None
    once: Claim | Taking | None = None
    shop_ids: frozenset[ShopId] | None = None
    """The shops that a staff key is for; None for all of the merchant's."""

    def staff_of(self, merchant_id: str, shop_id: str | None = None) -> bool:
        """Return whether the caller works for this merchant, in any role; with `shop_id`, at that shop."""
        here = shop_id is None or self.shop_ids is None or shop_id in self.shop_ids
        return here and self.merchant_id == merchant_id and bool(self.roles & STAFF)


@dataclass(frozen=True, slots=True)
class Stored(Generic[S]):
    """A state as a store holds it: its version (number of facts so far) and the hash of its last event."""

    state: S
    version: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Guard:
    """Another stream that must not have moved since it was read: the write is refused if it has."""

    table: str
    id: str
    version: int


@dataclass(frozen=True, slots=True)
class Work:
    """A side effect to be done later, once, by a Pub/Sub function: topic and JSON body."""

    topic: str
    key: str
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Decided:
    """What a rule decided: facts to append, and what goes into the same commit with them.

    `params` are parameters of a store's own statement parts (see the service's adapter).
    """

    facts: Sequence[Fact]
    guard: Guard | None = None
    work: Sequence[Work] = ()
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredReply:
    """The reply first given under an Idempotency-Key, repeated as it was."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class AlreadyAnswered(Exception):
    """The Idempotency-Key was used before with this very body; `reply` is what was said then."""

    def __init__(self, reply: StoredReply) -> None:
        super().__init__("already answered under this key")
        self.reply = reply


class AlreadyTaken(Exception):
    """The operation took this event before. Not an error: nothing is left to do."""


Page = tuple[Sequence[S], str | None]
"""A page of a list and the cursor of the next one, or None at the end."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of time, closed at the start and open at the end."""

    start: datetime
    end: datetime
