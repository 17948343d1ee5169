"""The arithmetic of prices: a median that one broken feed can't move, conversions that are exact to the last unit."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Context, Decimal, Inexact
from statistics import median
from typing import Final

from shared.kernel.errors import Conflict, NotFound, Transient
from shared.kernel.money import MINOR_DIGITS, Asset, Currency, Fiat, Money
from shared.prices.model import Pair, Rate, Reading, Said

EXACT: Final = Context(prec=100, traps=[Inexact])
"""Halves and hundredths of prices, which have at most 40 digits, never round here."""
AHEAD: Final = timedelta(seconds=60)
"""A reading from the future by more than this comes from a clock that is wrong."""
POLLED_EVERY_S: Final = 10
FRESH_FOR: Final = timedelta(seconds=60)
"""As long after its poll is a rate good for quotes: some polls may fail."""
OUTLIER: Final = Decimal("0.02")
"""A reading further from the median than this part of it is left out."""
MIN_FEEDS: Final = 2
"""As many must agree, and they must be more than half of the fresh ones."""
SPREAD_OF_TWO: Final = Decimal("0.01")
"""Where only two agree they lie no further apart than this part of their middle: one of them may be wrong."""
JUMP: Final = Decimal("0.05")
"""A rate further from the last one than this part of it jumped: then every fresh feed must agree, and there must be
at least JUMP_FEEDS of them. A majority that goes wrong together is told from a market that moves."""
JUMP_FEEDS: Final = 3
JUMP_MEMORY: Final = timedelta(hours=1)
"""A last rate older than this says nothing about the present."""
MOVED: Final = Decimal("0.001")
"""A rate that moved by this part of it is told at once; otherwise every minute."""
TELL_EVERY: Final = timedelta(minutes=1)
DEPEGGED: Final = Decimal("0.03")
"""A stablecoin further from what it is pegged to (one dollar, one euro) than this is refused."""


class NoFreshPrice(Transient):
    """Too few price feeds answer or agree; orders that have a quote can still be paid."""

    type = "no-fresh-price"
    title = "There is no fresh price"

    def __init__(self, detail: str = "", **fields: object) -> None:
        super().__init__(detail, retry_after_s=POLLED_EVERY_S, **fields)


class NotPriced(NotFound):
    """No feed is asked for this currency: waiting does not help."""

    type = "currency-not-priced"
    title = "There are no prices in this currency"


class AssetDepegged(Conflict):
    """A stablecoin is not worth what it is pegged to at the moment."""

    type = "asset-depegged"
    title = "The stablecoin has lost its peg"


def rate_of(pair: Pair, readings: Iterable[Reading], *, now: datetime, last: Rate | None = None) -> Rate:
    """Return the median of the fresh readings that lie near it; `last` is the rate before.

    Raises NoFreshPrice when too few agree, or agree on a jump that not all of them saw.
    """
    readings = list(readings)
    fresh = [reading for reading in readings if -AHEAD <= now - reading.at <= reading.fresh_for]
    near: list[Reading] = []
    if fresh:
        middle = median(reading.price for reading in fresh)
        near = [reading for reading in fresh if abs(reading.price - middle) <= middle * OUTLIER]
    if len(near) < MIN_FEEDS or 2 * len(near) <= len(fresh):
        raise NoFreshPrice(f"Too few price feeds agree on {pair.asset} in {pair.currency}. Try again soon.")
    rate = EXACT.divide(EXACT.add(*_middle_two(near)), 2)
    if len(near) == 2 and abs(near[0].price - near[1].price) > rate * SPREAD_OF_TWO:
        raise NoFreshPrice(f"The two price feeds of {pair.asset} in {pair.currency} disagree. Try again soon.")
    unanimous = len(near) == len(fresh) and len(near) >= JUMP_FEEDS
    if last is not None and now - last.at <= JUMP_MEMORY and abs(rate - last.rate) > last.rate * JUMP and not unanimous:
        raise NoFreshPrice(f"Price feeds differ on a jump of {pair.asset} in {pair.currency}. Try again soon.")
    return Rate(
        asset=pair.asset,
        currency=pair.currency,
        rate=rate,
        feeds=tuple(_said(reading) for reading in near),
        left_out=tuple(_said(reading, left_out=True) for reading in readings if reading not in near),
        at=now,
    )


def _said(reading: Reading, *, left_out: bool | None = None) -> Said:
    return Said(feed=reading.feed, price=f"{reading.price:f}", at=reading.at, left_out=left_out)


def _middle_two(readings: Sequence[Reading]) -> tuple[Decimal, Decimal]:
    """Return the two prices in the middle, twice the same one where there is but one."""
    prices = sorted(reading.price for reading in readings)
    return prices[(len(prices) - 1) // 2], prices[len(prices) // 2]


def is_fresh(rate: Rate, *, now: datetime) -> bool:
    """Return whether quotes are given at this rate: neither old nor, by a clock that is wrong, of the future."""
    return abs(now - rate.at) <= FRESH_FOR


def usable(rate: Rate | None, pegged: Rate | None, pair: Pair, *, now: datetime) -> Rate:
    """Return the rate if a quote may be given at it; `pegged` is the rate in what it is pegged to.

    Raises NoFreshPrice, also for a stablecoin of which it is not known whether it holds its peg, and AssetDepegged
    for one that does not.
    """
    if rate is None or not is_fresh(rate, now=now):
        raise NoFreshPrice(f"No fresh price of {pair.asset} in {pair.currency}. Try again soon, or pay otherwise.")
    peg = pair.asset.peg
    if peg is not None:
        if pegged is None or not is_fresh(pegged, now=now):
            raise NoFreshPrice(f"No fresh price of {pair.asset} in {peg}, its peg. Try again soon, or pay otherwise.")
        if abs(pegged.rate - 1) > DEPEGGED:
            raise AssetDepegged(f"{pair.asset} is not worth its {peg} at the moment. Pay in another asset.")
    return rate


def less_spread(rate: Decimal, spread_bp: int) -> Decimal:
    """Return the rate that a shop gives that takes `spread_bp` hundredths of a percent of it, exactly."""
    return EXACT.divide(EXACT.multiply(rate, 10_000 - spread_bp), 10_000) if spread_bp else rate


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
