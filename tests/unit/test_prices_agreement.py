"""Feeds that lie, alone or together, never make a wrong price: they are outvoted, or there is no price."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.feeds.chainlink import LATE
from shared.adapters.feeds.reading import LIVE
from shared.adapters.feeds.whole import CoinGecko
from shared.kernel.money import Asset
from shared.payments.verify_quote import LONGEST_SPREAD_BP
from shared.prices.model import Pair, Rate, Reading
from shared.prices.rates import (
    AHEAD,
    DEPEGGED,
    FRESH_FOR,
    JUMP,
    JUMP_FEEDS,
    JUMP_MEMORY,
    MIN_FEEDS,
    OUTLIER,
    SPREAD_OF_TWO,
    AssetDepegged,
    NoFreshPrice,
    less_spread,
    rate_of,
    usable,
)
from shared.shops.model import MAX_SPREAD_BP
from shared.wiring.prices import pairs

NOW: Final = datetime(2026, 5, 6, 12, tzinfo=UTC)
PAIR: Final = Pair(Asset.BTC, "EUR")
TRUE: Final = Decimal(60_000)
_HONEST: Final = st.integers(-400, 400).map(lambda off: TRUE * (100_000 + off) / 100_000)
_ANY: Final = st.decimals("0.0001", "99999999999", places=4)


def told(*prices: Decimal | str, age: timedelta = timedelta(0)) -> list[Reading]:
    return [Reading(f"feed{number}", Decimal(price), NOW - age) for number, price in enumerate(prices)]


def before(price: Decimal | str = TRUE, *, ago: timedelta = timedelta(seconds=10)) -> Rate:
    return Rate(asset=PAIR.asset, currency=PAIR.currency, rate=Decimal(price), feeds=(), at=NOW - ago)


def shuffled(honest: list[Decimal], liars: list[Decimal], seed: int) -> list[Reading]:
    prices = [*honest, *liars]
    turn = seed % len(prices)
    return told(*prices[turn:], *prices[:turn])


@given(st.lists(_HONEST, min_size=2, max_size=9), st.data())
def test_a_minority_neither_moves_the_rate_out_of_the_honest_range_nor_silences_it(
    honest: list[Decimal], data: st.DataObject
) -> None:
    liars = data.draw(st.lists(_ANY | _HONEST, max_size=len(honest) - 1))
    readings = shuffled(honest, liars, data.draw(st.integers(0, 20)))
    assert min(honest) <= rate_of(PAIR, readings, now=NOW).rate <= max(honest)


@given(st.lists(_HONEST, min_size=1, max_size=4), st.lists(_ANY | _HONEST, max_size=9), st.integers(0, 20))
def test_while_one_honest_feed_answers_no_majority_takes_the_rate_further_than_a_jump(
    honest: list[Decimal], liars: list[Decimal], seed: int
) -> None:
    last = before()
    try:
        rate = rate_of(PAIR, shuffled(honest, liars, seed), now=NOW, last=last)
    except NoFreshPrice:
        return
    assert abs(rate.rate - last.rate) <= last.rate * JUMP


@pytest.mark.parametrize(
    "prices",
    [
        ("60000", "75000", "75000"),  # two of three lie together
        ("60000", "30000", "90000"),  # two of three lie apart
        ("60000", "60010", "75000", "75010"),
        ("60000", "75000", "75000", "75000"),
        ("75000", "75000"),  # two alone don't make a jump
        ("60000",),
        (),
    ],
)
def test_a_majority_that_may_be_wrong_makes_no_rate(prices: tuple[str, ...]) -> None:
    with pytest.raises(NoFreshPrice):
        rate_of(PAIR, told(*prices), now=NOW, last=before())


def test_one_feed_that_jumps_alone_is_left_out() -> None:
    rate = rate_of(PAIR, told("60000", "60010", "60020", "61500"), now=NOW, last=before())
    assert rate.rate == 60_010
    assert [said.feed for said in rate.feeds] == ["feed0", "feed1", "feed2"]
    assert [(said.feed, said.left_out) for said in rate.left_out] == [("feed3", True)]


@pytest.mark.parametrize("moved", ["48000", "72000"])
def test_a_market_that_jumps_before_the_eyes_of_all_is_followed(moved: str) -> None:
    assert rate_of(PAIR, told(*[moved] * JUMP_FEEDS), now=NOW, last=before()).rate == Decimal(moved)
    with pytest.raises(NoFreshPrice):
        rate_of(PAIR, told(*[moved] * JUMP_FEEDS, "60000"), now=NOW, last=before())


def test_a_jump_is_one_only_against_a_rate_of_the_last_hour() -> None:
    two = told("75000", "75000")
    with pytest.raises(NoFreshPrice):
        rate_of(PAIR, two, now=NOW, last=before(ago=JUMP_MEMORY))
    assert rate_of(PAIR, two, now=NOW, last=before(ago=JUMP_MEMORY + timedelta(seconds=1))).rate == 75_000
    assert rate_of(PAIR, told("63000", "63000"), now=NOW, last=before()).rate == 63_000


def test_two_alone_must_lie_close_together() -> None:
    assert rate_of(PAIR, told("60000", "60600"), now=NOW).rate == 60_300
    apart = Decimal(60_000) * (1 + SPREAD_OF_TWO) + 10
    with pytest.raises(NoFreshPrice):
        rate_of(PAIR, told("60000", apart), now=NOW)


def test_each_feed_is_fresh_for_as_long_as_its_kind_is() -> None:
    hour = timedelta(hours=1)
    live = told("60000", "60010")
    slow = Reading("chainlink", Decimal(60_100), NOW - timedelta(minutes=50), hour)
    rate = rate_of(PAIR, [*live, slow], now=NOW)
    assert (rate.rate, len(rate.feeds)) == (Decimal(60_010), 3)
    assert rate.feeds[2].at == NOW - timedelta(minutes=50)
    old = Reading("chainlink", Decimal(60_100), NOW - hour - timedelta(seconds=1), hour)
    assert len(rate_of(PAIR, [*live, old], now=NOW).feeds) == 2
    ahead = Reading("chainlink", Decimal(60_100), NOW + timedelta(seconds=61), hour)
    assert len(rate_of(PAIR, [*live, ahead], now=NOW).feeds) == 2


def test_a_stablecoin_whose_peg_nobody_can_tell_is_not_quoted() -> None:
    pair = Pair(Asset.USDT, "EUR")
    good = Rate(asset=Asset.USDT, currency="EUR", rate=Decimal("0.926"), feeds=(), at=NOW)
    dollar = Rate(asset=Asset.USDT, currency="USD", rate=Decimal("1.0002"), feeds=(), at=NOW)
    assert usable(good, dollar, pair, now=NOW) is good
    for unknown in (None, dollar.model_copy(update={"at": NOW - timedelta(seconds=61)})):
        with pytest.raises(NoFreshPrice, match="peg"):
            usable(good, unknown, pair, now=NOW)
    for price in (1 - DEPEGGED - Decimal("0.0001"), 1 + DEPEGGED + Decimal("0.0001")):
        with pytest.raises(AssetDepegged):
            usable(good, dollar.model_copy(update={"rate": price}), pair, now=NOW)
    for price in (1 - DEPEGGED, 1 + DEPEGGED):
        usable(good, dollar.model_copy(update={"rate": price}), pair, now=NOW)


def test_stablecoins_are_priced_in_their_peg_even_where_nobody_pays_in_it() -> None:
    asked = pairs(("CHF",))
    assert Pair(Asset.BTC, "CHF") in asked
    assert Pair(Asset.BTC, "USD") not in asked
    assert {Pair(Asset.USDC, "USD"), Pair(Asset.USDT, "USD")} <= set(asked)
    assert len(asked) == len(set(asked))


@given(_ANY, st.integers(0, 500))
def test_a_spread_is_taken_off_exactly(rate: Decimal, spread_bp: int) -> None:
    given_rate = less_spread(rate, spread_bp)
    assert Fraction(given_rate) == Fraction(rate) * (10_000 - spread_bp) / 10_000
    assert 0 < given_rate <= rate


def test_the_limits_that_are_documented_are_those_that_hold() -> None:
    text = (Path(__file__).parents[2] / "docs" / "prices.md").read_text()
    told = {name: limit for limit, name in re.findall(r"^\| [^|]+ \| ([^|]+) \| `([\w.]+)` \|$", text, re.MULTILINE)}
    assert told == {
        "LIVE": f"{LIVE.total_seconds():.0f} s",
        "CoinGecko.fresh_for": f"{CoinGecko.fresh_for.total_seconds():.0f} s",
        "LATE": f"{LATE.total_seconds():.0f} s",
        "AHEAD": f"{AHEAD.total_seconds():.0f} s",
        "OUTLIER": f"{OUTLIER:.0%}".replace("%", " %"),
        "MIN_FEEDS": str(MIN_FEEDS),
        "SPREAD_OF_TWO": f"{SPREAD_OF_TWO:.0%}".replace("%", " %"),
        "JUMP": f"{JUMP:.0%}".replace("%", " %"),
        "JUMP_FEEDS": str(JUMP_FEEDS),
        "JUMP_MEMORY": f"{JUMP_MEMORY.total_seconds() / 3600:.0f} h",
        "FRESH_FOR": f"{FRESH_FOR.total_seconds():.0f} s",
        "DEPEGGED": f"{DEPEGGED:.0%}".replace("%", " %"),
        "MAX_SPREAD_BP": f"{MAX_SPREAD_BP / 100:.0f} %",
    }
    assert (Reading("a", TRUE, NOW).fresh_for, LONGEST_SPREAD_BP) == (LIVE, MAX_SPREAD_BP)
