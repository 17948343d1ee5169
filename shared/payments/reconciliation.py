"""Differences by their names; and the books compared: a payment's facts against its row and its entries in the ledger.

Pure; no I/O, and nothing is changed. What is compared with a chain stands in `reconciliation_chain.py`.
Source: docs/reconciliation.md.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from shared.kernel.ids import MerchantId, PaymentId, ShopId
from shared.kernel.money import Asset
from shared.payments.ledger import Entry, Happened, Line, entries
from shared.payments.lifecycle import evolve
from shared.payments.model import Payment

BOOKS: Final = "books"
"""The name under which facts, rows and ledger are compared; a chain's is the chain's."""


class Kind(StrEnum):
    """What a difference is. docs/reconciliation.md says of each what to do."""

    NOT_POSTED = "not_posted"
    """A fact moved coins and the ledger does not say so. It is posted at once."""
    NOT_CAUSED = "not_caused"
    """The ledger has an entry of a fact that never was."""
    POSTED_OTHERWISE = "posted_otherwise"
    """An entry says something else than its fact."""
    ROW_DIFFERS = "row_differs"
    """A payment's row is not what its facts make of it."""
    UNBALANCED = "unbalanced"
    """An identity of the ledger does not hold."""
    NOT_ON_CHAIN = "credited_not_on_chain"
    """A transfer was credited that the chain does not have."""
    NOT_CREDITED = "on_chain_not_credited"
    """The chain has a transfer to a payment's address that nobody was credited with."""
    AMOUNT_DIFFERS = "amount_differs"
    """A transfer was credited with other units than the chain has."""
    STRANGE = "strangers_coins"
    """Coins that reached the address before it was handed out: somebody else uses the shop's account."""
    MOVED = "moved"
    """Coins left a receive address and no sweep of ours took them: whoever holds the shop's keys did."""
    UNEXPLAINED = "unexplained"
    """The address holds less or more than all that is known of it adds up to."""
    HOT_WALLET = "hot_wallet_short"
    """The hot wallet holds less than what was paid into it and not sent out by refunds."""


BY_BOOKS: Final = frozenset(
    {Kind.NOT_POSTED, Kind.NOT_CAUSED, Kind.POSTED_OTHERWISE, Kind.ROW_DIFFERS, Kind.UNBALANCED}
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it ought to be, named so that the next run knows it again.

    `expected` and `found` are base units where the difference is one of units: what our books say, and what the other
    side has. `position` is the transfer's on a chain, the fact's version in the books.
    """

    scope: str
    kind: Kind
    payment_id: PaymentId | None = None
    shop_id: ShopId | None = None
    merchant_id: MerchantId | None = None
    asset: Asset | None = None
    address: str | None = None
    txid: str | None = None
    position: int | None = None
    expected: int | None = None
    found: int | None = None
    height: int | None = None
    says: str = ""

    @property
    def name(self) -> str:
        """Return what makes two findings the same difference; the units and the words may change."""
        whose = self.payment_id or self.shop_id or ""
        parts = (self.scope, self.kind, whose, self.asset, self.address, self.txid, self.position)
        return "|".join("" if part is None else str(part) for part in parts)


@dataclass(frozen=True, slots=True)
class Booked:
    """A payment as its facts tell it, as its row shows it, and as it was posted, all of one moment."""

    history: Sequence[Happened]
    row: Payment | None
    posted: Sequence[Entry]


def told(history: Iterable[Happened]) -> Payment | None:
    """Return the payment that its facts make."""
    payment: Payment | None = None
    for one in history:
        payment = evolve(payment, one.fact)
    return payment


def unposted(booked: Booked) -> list[Entry]:
    """Return the entries that the payment's facts make and the ledger does not have."""
    known = {entry.version for entry in booked.posted}
    return [entry for entry in entries(booked.history) if entry.version not in known]


def compare_books(booked: Booked, *, now: datetime, patience: timedelta) -> Iterator[Difference]:
    """Yield what row and ledger say otherwise than the facts; what happened within `patience` may be unposted yet."""
    payment = told(booked.history)
    whose = payment or booked.row
    if payment != booked.row and whose is not None:
        yield Difference(
            BOOKS,
            Kind.ROW_DIFFERS,
            whose.payment_id,
            whose.shop_id,
            whose.merchant_id,
            asset=whose.asset,
            expected=payment.included if payment else None,
            found=booked.row.included if booked.row else None,
            says=", ".join(_fields(payment, booked.row)),
        )
    posted = {entry.version: entry for entry in booked.posted}
    for entry in entries(booked.history):
        found = posted.pop(entry.version, None)
        if found is None:
            if now - entry.at >= patience:
                yield _of_entry(Kind.NOT_POSTED, entry, f"{entry.type} is not posted")
        elif found != entry:
            yield _posted_otherwise(entry, found)
    for entry in posted.values():
        yield _of_entry(Kind.NOT_CAUSED, entry, f"{entry.type} is posted, and no fact caused it")


def _fields(payment: Payment | None, row: Payment | None) -> Iterator[str]:
    if payment is None or row is None:
        yield "there are no facts" if payment is None else "there is no row"
        return
    for name in Payment.model_fields:
        if getattr(payment, name) != getattr(row, name):
            yield name


def _posted_otherwise(entry: Entry, found: Entry) -> Difference:
    """Return the difference with the units of the first line that is posted otherwise, where one is."""
    for line in dict.fromkeys((*entry.postings, *found.postings)):
        ought, is_ = entry.postings.get(line, 0), found.postings.get(line, 0)
        if ought != is_:
            says = f"{line.book}: {line.account} says otherwise than its {entry.type}"
            return _of_entry(Kind.POSTED_OTHERWISE, entry, says, line=line, expected=ought, found=is_)
    return _of_entry(Kind.POSTED_OTHERWISE, entry, f"the entry names other things than its {entry.type}")


def _of_entry(
    kind: Kind, entry: Entry, says: str, *, line: Line | None = None, expected: int | None = None,
    found: int | None = None,
) -> Difference:  # fmt: skip
    return Difference(
        BOOKS,
        kind,
        entry.payment_id,
        entry.shop_id,
        entry.merchant_id,
        asset=line.asset if line else None,
        position=entry.version,
        expected=expected,
        found=found,
        says=says,
    )
