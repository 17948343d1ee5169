"""What prices need from outside: feeds, their own rows, a cache."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.kernel.clock import Clock
from shared.kernel.decision import By
from shared.kernel.documents import Documents
from shared.kernel.money import Currency
from shared.kernel.store import Inbox
from shared.prices.model import Pair, PriceBar, PricesView, Rate, Reading, Step


class Feed(Protocol):
    """One source of prices."""

    async def read(self, pairs: Sequence[Pair]) -> Mapping[Pair, Reading]:
        """Return what the feed says now; pairs it does not have, or says nonsense about, are missing.

        Raises Transient when it does not answer.
        """
        ...


class PriceRows(Protocol):
    """The present rates and their history."""

    async def in_currency(self, currency: Currency) -> Sequence[Rate]:
        """Return the latest rate of each asset, however old."""
        ...

    async def latest(self) -> Sequence[Rate]:
        """Return the latest rate of every pair, however old."""
        ...

    async def record(self, rates: Sequence[Rate], *, by: By, now: datetime) -> int:
        """Keep newer rates with their proof, publish those that are news; return how many were published."""
        ...


class PriceBars(Protocol):
    """The history of rates."""

    async def between(self, pair: Pair, step: Step, since: datetime, until: datetime) -> Sequence[PriceBar]:
        """Return the bars that begin in the step of `since` or later, and before `until`, oldest first."""
        ...

    async def known(self, pair: Pair) -> bool:
        """Return whether the pair was ever priced."""
        ...


class OldPrices(Protocol):
    """What is kept of the history for a time only."""

    async def prune(self, *, most: int) -> int:
        """Delete up to `most` rows of each kind that are older than they are kept; return how many that were."""
        ...


@dataclass(frozen=True, slots=True)
class PriceHistory:
    """What reading the history is given."""

    bars: PriceBars
    clock: Clock


@dataclass(frozen=True, slots=True)
class Polling:
    """What polling is given."""

    feeds: tuple[Feed, ...]
    pairs: tuple[Pair, ...]
    rows: PriceRows
    clock: Clock


@dataclass(frozen=True, slots=True)
class Prices:
    """What reading prices is given."""

    rows: PriceRows
    clock: Clock


@dataclass(frozen=True, slots=True)
class ShownPrices:
    """What showing and publishing prices is given: documents by currency, kept near."""

    documents: Documents[PricesView]
    inbox: Inbox
