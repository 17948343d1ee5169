"""What shops need from outside: their own store, the index of places, caches, and a safe for account keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.kernel.clock import Clock
from shared.kernel.documents import Documents
from shared.kernel.hours import Week
from shared.kernel.ids import ShopId
from shared.kernel.store import Inbox, Store
from shared.shops.facts import PayoutAccount
from shared.shops.model import Family, Shop, ShopView


@dataclass(frozen=True, slots=True)
class Place:
    """A shop's position in degrees (WGS 84)."""

    shop_id: str
    longitude: float
    latitude: float


@dataclass(frozen=True, slots=True)
class Found:
    """A shop and how far it is, in metres."""

    shop_id: str
    distance_m: float
    exact: bool = False
    """Whether the distance is that of the table, not of an index that rounds places to less than a metre."""


@dataclass(frozen=True, slots=True)
class After:
    """Where the page before ended: `seen` shops are not farther than the one at this distance."""

    seen: int
    distance_m: float
    shop_id: str
    exact: bool = False
    """As of the shop: the next page is measured like this one, so that none is shown twice or left out."""


@dataclass(frozen=True, slots=True)
class ShopCard:
    """What a list of shops shows of one of them."""

    shop_id: str
    listed: str
    """A JSON object: the members of a NearbyShop that depend neither on who asks nor when."""
    week: Week


class Places(Protocol):
    """Finds shops by distance."""

    async def near(
        self, longitude: float, latitude: float, *, radius_m: float, limit: int, after: After | None = None
    ) -> Sequence[Found]:
        """Return up to `limit` shops, nearest first, those at one distance by id."""
        ...

    async def put(self, place: Place) -> bool:
        """Add or move a shop; return False when it could not be noted, so that it must be tried again."""
        ...


class Cards(Protocol):
    """Reads what lists show."""

    async def of(self, shop_ids: Sequence[str]) -> dict[str, ShopCard]:
        """Return the cards of these shops by id, at most some seconds old; those unknown are missing."""
        ...


class AccountKeys(Protocol):
    """Checks account keys, and seals them before they are stored anywhere."""

    def seal(self, shop_id: ShopId, family: Family, account_key: str) -> PayoutAccount:
        """Return the key as a fact carries it. Raises Invalid for anything but a public account key of the family."""
        ...


@dataclass(frozen=True, slots=True)
class Registration:
    """Everything that registering a shop is given."""

    store: Store[Shop]
    account_keys: AccountKeys
    clock: Clock


@dataclass(frozen=True, slots=True)
class Shops:
    """Everything the other operations of this service are given."""

    store: Store[Shop]
    documents: Documents[ShopView]
    places: Places
    cards: Cards
    inbox: Inbox
    clock: Clock
