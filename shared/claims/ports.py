"""What claims need from outside: their own store, the guard against guessing, and what they read of orders."""

from dataclasses import dataclass
from typing import Protocol

from shared.claims.codes import Codes
from shared.claims.model import Claim
from shared.kernel.clock import Clock
from shared.kernel.decision import By, Stored
from shared.kernel.ids import ClaimId, MerchantId, OrderId, ShopId, UserId
from shared.kernel.store import Store


@dataclass(frozen=True, slots=True)
class OrderStanding:
    """What claims must know of an order, and the version at which that was true."""

    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    customer_id: UserId
    status: str
    halted: bool
    version: int


class Orders(Protocol):
    """Reads orders from the primary."""

    async def standing(self, order_id: OrderId) -> OrderStanding | None:
        """Return how the order stands now, or None when there is none."""
        ...


class ClaimStore(Store[Claim], Protocol):
    """The claims' own store."""

    async def take(self, by: By) -> None:
        """Take the event of `by` without any facts: there is nothing to do about it."""
        ...

    async def with_code(self, shop_id: ShopId, merchant_id: MerchantId, code_hash: str, *, by: By) -> ClaimId | None:
        """Return the shop's claim with this code, an open one first; None for a wrong code, which is counted.

        One statement looks and counts under a row lock, so that the limit holds however many try at once. Raises
        TooMany when the caller guessed wrong too often at this shop, whatever the code is.
        """
        ...

    async def of_person(self, order_id: OrderId, person: UserId) -> Stored[Claim] | None:
        """Return the order's claim, where it is the person's own or they are let pick up; else None."""
        ...


class People(Protocol):
    """Reads people."""

    async def known(self, user_id: UserId) -> bool:
        """Return whether there is such a person."""
        ...


@dataclass(frozen=True, slots=True)
class Claims:
    """Everything the operations of this service are given."""

    store: ClaimStore
    orders: Orders
    people: People
    codes: Codes
    clock: Clock
