"""Receive addresses: derived ahead of need, each claimed by one payment, shown only in the commit of that payment.

An address that was never shown may be given to another payment; one that was shown never is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from shared.kernel.ids import PaymentId, ShopId
from shared.payments.chain import ReceiveAddress
from shared.shops.facts import PayoutAccount

STALE: Final = timedelta(minutes=10)
"""A claim without a payment was dropped by a process that died: no request takes a tenth of it."""


@dataclass(frozen=True, slots=True)
class TakenAddress:
    """An address that no other payment can have, from this account at this index."""

    account: PayoutAccount
    family: str
    index: int
    receive: ReceiveAddress


@dataclass(frozen=True, slots=True)
class Thirsty:
    """An account with few addresses left in the pool. `shop_id` is one of the shops that have it."""

    shop_id: ShopId
    family: str
    account: PayoutAccount


Derive = Callable[[int, int], Sequence[ReceiveAddress]]
"""From the first index and how many, the addresses."""


class AddressPool(Protocol):
    """Addresses in the database."""

    async def claim(self, account: PayoutAccount, family: str, payment_id: PaymentId) -> TakenAddress | None:
        """Return the free address with the lowest index, now this payment's; None when none is free."""
        ...

    async def next_index(self, account: PayoutAccount, family: str) -> int:
        """Return an index below the account key that was never handed out; committed at once."""
        ...

    async def add(self, taken: TakenAddress, payment_id: PaymentId) -> None:
        """Note an address that was derived for this payment on the spot."""
        ...

    async def release(self, payment_id: PaymentId) -> None:
        """Give back what the payment claimed, unless it was shown."""
        ...

    async def recycle(self, *, older_than: timedelta) -> int:
        """Give back what was claimed longer ago and never shown; return how many addresses."""
        ...

    async def thirsty(self, *, below: int, limit: int) -> Sequence[Thirsty]:
        """Return accounts in use, present ones of some shop, with fewer than `below` free addresses."""
        ...

    async def fill(self, account: PayoutAccount, family: str, derive: Derive, *, up_to: int) -> int:
        """Derive until `up_to` are free, take their indexes, add them, in one commit; return how many were added."""
        ...
