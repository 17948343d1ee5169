"""The arithmetic of prices: a median that one broken feed can't move, conversions that are exact to the last unit."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Final

from shared.kernel.errors import Conflict, NotFound, Transient
from shared.kernel.money import MINOR_DIGITS, Asset, Currency, Fiat, Money
from shared.prices.model import Pair, Rate, Reading, Said

STALE: Final = timedelta(seconds=60)
"""A reading older than this, or from the future by as much, is not fresh."""
FRESH_FOR: Final = timedelta(seconds=60)
"""As long after its poll is a rate good for quotes: some polls may fail."""
OUTLIER: Final = Decimal("0.02")
"""A reading further from the median than this part of it is left out."""
MIN_FEEDS: Final = 2
MOVED: Final = Decimal("0.001")
"""A rate that moved by this part of it is told at once; otherwise every minute."""
TELL_EVERY: Final = timedelta(minutes=1)
DEPEGGED: Final = Decimal("0.03")
"""A stablecoin further from what it is pegged to (one dollar, one euro) than this is refused."""


class NoFreshPrice(Transient):
    """Too few price feeds answer or agree; orders that have a quote can still be paid."""

    type = "no-fresh-price"
    title = "There is no fresh price"


class NotPriced(NotFound):
    """No feed is asked for this currency: waiting does not help."""

    type = "currency-not-priced"
    title = "There are no prices in this currency"


class AssetDepegged(Conflict):
    """A stablecoin is not worth what it is pegged to at the moment."""

    type = "asset-depegged"
    title = "The stablecoin has lost its peg"


def rate_of(pair: Pair, readings: Iterable[Reading], *, now: datetime) -> Rate:
    """Return the median of the fresh readings that lie near it. Raises NoFreshPrice below two of them."""
    fresh = [reading for reading in readings if abs(now - reading.at) <= STALE]
    near: list[Reading] = []
    if fresh:
        middle = median(reading.price for reading in fresh)
        near = [reading for reading in fresh if abs(reading.price - middle) <= middle * OUTLIER]
    if len(near) < MIN_FEEDS:
        raise NoFreshPrice(f"Fewer than two price feeds agree on {pair.asset} in {pair.currency}. Try again soon.")
    return Rate(
        asset=pair.asset,
        currency=pair.currency,
        rate=median(reading.price for reading in near),
        feeds=tuple(Said(feed=reading.feed, price=f"{reading.price:f}", at=reading.at) for reading in near),
        at=now,
    )


def is_fresh(rate: Rate, *, now: datetime) -> bool:
    """Return whether quotes are given at this rate: neither old nor, by a clock that is wrong, of the future."""
    return abs(now - rate.at) <= FRESH_FOR


def usable(rate: Rate | None, pegged: Rate | None, pair: Pair, *, now: datetime) -> Rate:
    """Return the rate if a quote may be given at it; `pegged` is the rate in what it is pegged to.

    Raises NoFreshPrice, and AssetDepegged for a stablecoin that is far from its peg.
    """
    if rate is None or not is_fresh(rate, now=now):
        raise NoFreshPrice(f"No fresh price of {pair.asset} in {pair.currency}. Try again soon, or pay otherwise.")
    if pair.asset.peg is not None and pegged is not None and abs(pegged.rate - 1) > DEPEGGED:
        raise AssetDepegged(f"{pair.asset} is not worth its {pair.asset.peg} at the moment. Pay in another asset.")
    return rate


def is_news(rate: Rate, told: Decimal | None, told_at: datetime | None, *, now: datetime) -> bool:
    """Return whether a rate is to be published, given the last one that was."""
    if told is None or told_at is None:
        return True
    return abs(rate.rate - told) >= told * MOVED or now - told_at >= TELL_EVERY


def coins_for(fiat: Fiat, rate: Decimal, asset: Asset) -> Money:
    """Return what `fiat` is in coins at `rate` (fiat per whole coin), rounded up to the next base unit."""
    above, below = rate.as_integer_ratio()
    exact = fiat.units * 10**asset.decimals * below
    return Money(asset=asset, units=-(-exact // (above * 10 ** MINOR_DIGITS[fiat.currency])))


def fiat_for(coins: Money, rate: Decimal, currency: Currency) -> Fiat:
    """Return what `coins` are in fiat at `rate`, rounded down to the minor unit."""
    above, below = rate.as_integer_ratio()
    exact = coins.units * above * 10 ** MINOR_DIGITS[currency]
    return Fiat(currency=currency, units=exact // (below * 10**coins.asset.decimals))


def by_pair(rates: Iterable[Rate]) -> Mapping[Pair, Rate]:
    """Return rates by what they price."""
    return {Pair(rate.asset, rate.currency): rate for rate in rates}
