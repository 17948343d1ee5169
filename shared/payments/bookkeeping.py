"""What the ledger's operations need from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from shared.kernel.decision import By, Page
from shared.kernel.ids import MerchantId, PaymentId, ShopId
from shared.payments.ledger import Entry, Happened, Line
from shared.payments.statement import EntryView

Balances = Mapping[Line, int]
"""Signed base units per account: debits above zero, credits below."""


@dataclass(frozen=True, slots=True)
class LedgerDay:
    """A shop's day as it is stored: balances before and after, and a page of entries."""

    timezone: str
    opening: Balances
    closing: Balances
    entries: Page[EntryView]


class Ledger(Protocol):
    """The entries, append-only, one per payment and version at most."""

    async def history(self, payment_id: PaymentId) -> Sequence[Happened]:
        """Return every fact of the payment so far, oldest first."""
        ...

    async def post(self, entries: Sequence[Entry], *, by: By) -> int:
        """Append the entries that are missing, take the event of `by`, in one commit; return how many were missing."""
        ...

    async def day(
        self, shop_id: ShopId, merchant_id: MerchantId, day: date, *, after: str | None, limit: int
    ) -> LedgerDay | None:
        """Return the shop's day in its own time zone, or None when the merchant has no such shop."""
        ...

    async def balances(self, merchant_id: MerchantId, shop_id: ShopId | None) -> Mapping[ShopId, Balances]:
        """Return the balances of each of the merchant's shops that has any; of one shop only, where it is named."""
        ...


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """Everything the ledger's operations are given."""

    ledger: Ledger
