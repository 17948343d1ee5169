"""What shops need from outside: their own store, the index of places, caches, and a safe for account keys."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from shared.kernel.clock import Clock
from shared.kernel.decision import By, Stored
from shared.kernel.documents import Documents
from shared.kernel.hours import Pause, Week
from shared.kernel.ids import OrderId, RatingId, ShopId
from shared.kernel.pictures import Bucket
from shared.kernel.reply import Reply
from shared.kernel.store import Inbox, Rule, Store
from shared.shops.accounts import Family
from shared.shops.facts import PayoutAccount
from shared.shops.model import Shop, ShopView
from shared.shops.payout import Challenge
from shared.shops.rating import RatedOrder, Rating, RatingSummary

V = TypeVar("V")


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
    pause: Pause | None = None


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

    def open(self, shop_id: ShopId, family: Family, account: PayoutAccount) -> str:
        """Return the account key."""
        ...

    def first_address(self, family: Family, account_key: str) -> str:
        """Return receive address 0 of the account: the one that signs for it."""
        ...


class Ownership(Protocol):
    """Checks what wallets have signed."""

    def signed(self, family: Family, address: str, message: str, signature: str) -> bool:
        """Return whether the key of the address has signed the message."""
        ...


class PayoutStore(Store[Shop], Protocol):
    """The shops' own store, and what belongs to proofs of ownership.

    A decision whose `params` are those of `spending` uses up the challenge and makes the account the merchant's own in
    the commit of its facts. Raises ProofRefused for a challenge that is spent or too old, and AccountTaken.
    """

    async def challenge(self, challenge: Challenge) -> None:
        """Keep a fresh challenge."""
        ...

    async def challenged(self, nonce: str) -> Challenge | None:
        """Return a challenge that is not spent and not too old."""
        ...

    async def proven(
        self,
        id: str,
        rule: Rule[Shop],
        *,
        by: By,
        now: datetime,
        reply: Callable[[Stored[Shop]], Reply[V]],
    ) -> Stored[Shop]:
        """Decide like `decide`, with `params` that spend a challenge."""
        ...

    async def owner_of(self, fingerprint: str) -> str | None:
        """Return the merchant that has proven to hold the account's keys, or used it before proofs were asked for."""
        ...

    async def key_made_at(self, actor: str) -> datetime | None:
        """Return when a staff key was made; None for anybody else."""
        ...

    async def due(self) -> Sequence[str]:
        """Return the shops with a confirmed change, due or not."""
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
    images_at: str = ""
    """Where pictures are, as a URL."""


@dataclass(frozen=True, slots=True)
class Photographing:
    """Everything the operations of pictures are given."""

    shops: Shops
    bucket: Bucket


class RatingStore(Store[Rating], Protocol):
    """The ratings' own store. A decision's `params` say how many stars the rating had before, 0 for none."""

    async def order(self, order_id: OrderId) -> RatedOrder | None:
        """Return what a rating must know of its order, or None when there is none."""
        ...

    async def of_shop(
        self, shop_id: ShopId, *, before: str | None, limit: int
    ) -> tuple[RatingSummary | None, Sequence[Rating], RatingId | None] | None:
        """Return the sum of all, a page of ratings before the cursor, and the next cursor; None for no such shop."""
        ...


@dataclass(frozen=True, slots=True)
class Ratings:
    """Everything that the operations of ratings are given."""

    store: RatingStore
    clock: Clock


@dataclass(frozen=True, slots=True)
class Payouts:
    """Everything that the operations of payout accounts are given.

    `domain` stands in what wallets sign; a confirmed change takes effect after `delay`.
    """

    store: PayoutStore
    account_keys: AccountKeys
    ownership: Ownership
    domain: str
    delay: timedelta
    clock: Clock


@dataclass(frozen=True, slots=True)
class PayoutDesk:
    """What those of them are given that open no account and check no signature."""

    store: Store[Shop]
    clock: Clock


@dataclass(frozen=True, slots=True)
class DuePayouts:
    """What letting time pass is given."""

    store: PayoutStore
    clock: Clock
