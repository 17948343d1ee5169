"""Values of prices: what a feed said, what follows from several, what is shown."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from pydantic import Field, model_validator

from shared.kernel.money import Asset, Currency, Fiat, Frozen, KnownAsset, Money, Units

FIRST: Final = datetime(2009, 1, 3, tzinfo=UTC)
"""No coin is older: the day of Bitcoin's first block."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An asset priced in a currency."""

    asset: Asset
    currency: Currency


@dataclass(frozen=True, slots=True)
class Reading:
    """What one feed said: fiat per whole coin, at the feed's own time or else when it answered.

    `fresh_for`: as old may it be. A market is asked for the last trade; a contract on chain is written to only when
    the price has moved or its heartbeat is over.
    """

    feed: str
    price: Decimal
    at: datetime
    fresh_for: timedelta = timedelta(seconds=60)


class Said(Frozen):
    """A reading as it is kept: the proof behind a rate. `price` is a decimal.

    `left_out`, where it is said, is true: it was too old or too far from the others to count.
    """

    feed: str
    price: str
    at: datetime
    left_out: bool | None = None


class Rate(Frozen):
    """Fiat per whole coin, with what each feed said, agreeing or left out; `at` is when they were asked."""

    asset: Asset
    currency: Currency
    rate: Decimal
    feeds: tuple[Said, ...]
    left_out: tuple[Said, ...] = ()
    at: datetime
    version: int = 0


class WhichPrices(Frozen):
    """In which currency."""

    currency: Currency = "EUR"


class PriceView(Frozen):
    """The price of one whole coin. `fresh`: quotes are given at it."""

    asset: Asset
    rate: str = Field(description="Fiat per whole coin, a decimal", examples=["59259.26"])
    feeds: int
    at: datetime
    fresh: bool


class PricesView(Frozen):
    """The prices in a currency; an asset is missing when its price was never known."""

    currency: Currency
    prices: tuple[PriceView, ...]
    version: int


class Convert(Frozen):
    """So much fiat in coins, or so many coins in fiat: give `currency` with `units` of it, or `coin_units`."""

    asset: KnownAsset
    currency: Currency = "EUR"
    units: Units | None = Field(default=None, le=10**15, description="Minor units of the currency: cents")
    coin_units: Units | None = Field(
        default=None, le=10**30, description="Base units of the asset: satoshi, wei, token units"
    )

    @model_validator(mode="after")
    def _one(self) -> "Convert":
        if (self.units is None) == (self.coin_units is None):
            raise ValueError("give either units or coin_units")
        return self


class Step(StrEnum):
    """How long a bar of the history is; it begins on the full minute, hour or day, UTC."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        """Return its length."""
        return {Step.MINUTE: timedelta(minutes=1), Step.HOUR: timedelta(hours=1), Step.DAY: timedelta(days=1)}[self]


class GetPriceHistory(Frozen):
    """Whose history, of which span. Minutes are kept for a week, hours and days for three years."""

    asset: KnownAsset
    currency: Currency
    step: Step = Step.HOUR
    since: datetime | None = Field(default=None, ge=FIRST, description="100 steps before `until`, if it is not said")
    until: datetime | None = Field(
        default=None, ge=FIRST, description="Now, if it is not said; at most 1,500 steps after `since`"
    )


class PriceBar(Frozen):
    """What one whole coin cost in a step: at its first poll, at most, at least, and at its last."""

    at: datetime = Field(description="When the step began")
    open: str = Field(description="Fiat per whole coin, a decimal", examples=["59259.26"])
    high: str
    low: str
    close: str
    polls: int = Field(description="So many polls ended in a rate")


class PriceHistoryView(Frozen):
    """The history of a span, oldest first; a step in which no price was known is missing."""

    asset: Asset
    currency: Currency
    step: Step
    bars: tuple[PriceBar, ...]


class ConvertView(Frozen):
    """Both amounts. Coins are rounded up as in a quote, fiat down: never better than what a payment would give."""

    fiat: Fiat
    coins: Money
    rate: str
    at: datetime
