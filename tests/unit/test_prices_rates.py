"""Medians, limits and conversions: no one feed moves a price, nothing is lost to rounding, nonsense is no price."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.feeds.formats import FORMATS
from shared.adapters.feeds.reading import NoPrice
from shared.kernel.money import MINOR_DIGITS, Asset, Fiat, Money
from shared.prices.model import Pair, Rate, Reading
from shared.prices.rates import (
    AHEAD,
    FRESH_FOR,
    AssetDepegged,
    NoFreshPrice,
    coins_for,
    fiat_for,
    is_news,
    rate_of,
    usable,
)

STALE = timedelta(seconds=60)
NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
BTC_EUR = Pair(Asset.BTC, "EUR")


def readings(*prices: str, age: timedelta = timedelta(0)) -> list[Reading]:
    return [Reading(f"feed{number}", Decimal(price), NOW - age) for number, price in enumerate(prices)]


def rate(asset: Asset, price: str, *, currency: str = "EUR", age: timedelta = timedelta(0)) -> Rate:
    return Rate(asset=asset, currency=currency, rate=Decimal(price), feeds=(), at=NOW - age)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        (("100", "101", "102"), "101"),
        (("100", "101"), "100.5"),
        (("100", "101", "5000"), "100.5"),
        (("100", "101", "0.01"), "100.5"),
        (("100", "100.5", "101", "101.5"), "100.75"),
    ],
)
def test_the_rate_is_the_median_of_what_lies_near_it(prices: tuple[str, ...], expected: str) -> None:
    found = rate_of(BTC_EUR, readings(*prices), now=NOW)
    assert found.rate == Decimal(expected)
    assert all(Decimal(said.price) < 200 for said in found.feeds)


@pytest.mark.parametrize("prices", [(), ("100",), ("100", "110"), ("100", "150", "200"), ("100", "100", "106", "106")])
def test_fewer_than_two_feeds_that_agree_make_no_rate(prices: tuple[str, ...]) -> None:
    with pytest.raises(NoFreshPrice):
        rate_of(BTC_EUR, readings(*prices), now=NOW)


@pytest.mark.parametrize("age", [STALE + timedelta(seconds=1), -AHEAD - timedelta(seconds=1)])
def test_stale_readings_and_those_from_the_future_count_for_nothing(age: timedelta) -> None:
    with pytest.raises(NoFreshPrice):
        rate_of(BTC_EUR, [*readings("100"), *readings("100", "100", age=age)], now=NOW)


@given(st.lists(st.decimals("0.5", "2", places=4), min_size=3, max_size=7), st.decimals("0.0001", "99999999", places=4))
def test_one_feed_can_move_the_rate_no_further_than_the_honest_ones_lie_apart(
    honest: list[Decimal], liar: Decimal
) -> None:
    honest = [1 + (price - 1) / 100 for price in honest]
    told = [Reading(str(number), price, NOW) for number, price in enumerate([*honest, liar])]
    assert min(honest) <= rate_of(BTC_EUR, told, now=NOW).rate <= max(honest)


def test_a_rate_is_told_when_it_moved_and_every_minute() -> None:
    now = rate(Asset.BTC, "100.05")
    assert is_news(now, None, None, now=NOW)
    assert not is_news(now, Decimal(100), NOW - timedelta(seconds=59), now=NOW)
    assert is_news(now, Decimal(100), NOW - timedelta(seconds=60), now=NOW)
    assert is_news(rate(Asset.BTC, "100.1"), Decimal(100), NOW, now=NOW)


def test_an_old_rate_gives_no_quote_and_a_lost_peg_neither() -> None:
    usdt, dollar = rate(Asset.USDT, "0.92"), rate(Asset.USDT, "1.001", currency="USD")
    pair = Pair(Asset.USDT, "EUR")
    assert usable(usdt, dollar, pair, now=NOW) is usdt
    with pytest.raises(NoFreshPrice):
        usable(None, dollar, pair, now=NOW)
    with pytest.raises(NoFreshPrice):
        usable(usdt, dollar, pair, now=NOW + FRESH_FOR + timedelta(seconds=1))
    for lost in ("0.96", "1.04"):
        with pytest.raises(AssetDepegged):
            usable(usdt, rate(Asset.USDT, lost, currency="USD"), pair, now=NOW)
    usable(rate(Asset.BTC, "59000"), rate(Asset.BTC, "64000", currency="USD"), BTC_EUR, now=NOW)


@given(
    st.integers(0, 10**12),
    st.decimals("0.000001", "1000000", places=6).filter(lambda value: value > 0),
    st.sampled_from([Asset.BTC, Asset.ETH, Asset.USDC, Asset.USDT]),
    st.sampled_from(list(MINOR_DIGITS)),
)
def test_coins_are_rounded_up_to_the_unit_and_fiat_down_to_the_cent(
    units: int, price: Decimal, asset: Asset, currency: str
) -> None:
    fiat = Fiat(currency=currency, units=units)
    exact = Fraction(units, 10 ** MINOR_DIGITS[currency]) / Fraction(price) * 10**asset.decimals
    coins = coins_for(fiat, price, asset)
    assert 0 <= coins.units - exact < 1
    back = fiat_for(coins, price, currency)
    worth = Fraction(coins.units, 10**asset.decimals) * Fraction(price) * 10 ** MINOR_DIGITS[currency]
    assert 0 <= worth - back.units < 1
    assert back.units >= units


def test_the_least_of_prices_costs_at_least_a_unit() -> None:
    assert coins_for(Fiat(currency="EUR", units=1), Decimal(10**9), Asset.BTC) == Money(asset=Asset.BTC, units=1)


GOLDEN = {
    "coinbase": (b'{"data":{"amount":"64123.45","base":"BTC","currency":"EUR"}}', "64123.45"),
    "kraken": (
        b'{"error":[],"result":{"XXBTZEUR":{"a":["64100.1","1","1.0"],"b":["64100.0","1","1.0"],'
        b'"c":["64100.05000","0.01"],"v":["1","2"],"p":["1","2"],"t":[1,2],"l":["1","2"],"h":["1","2"],"o":"1"}}}',
        "64100.05000",
    ),
    "binance": (b'{"symbol":"BTCEUR","price":"64099.99000000"}', "64099.99000000"),
    "bitstamp": (
        b'{"timestamp":"1778068800","open":"1","high":"2","low":"1","last":"64111","volume":"1","vwap":"1",'
        b'"bid":"1","ask":"2","side":"0","open_24":"1","percent_change_24":"0.1"}',
        "64111",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_feeds_answer_is_read(name: str) -> None:
    body, price = GOLDEN[name]
    told = FORMATS[name].prices(body, (BTC_EUR,))[BTC_EUR]
    assert told.price == Decimal(price)
    assert told.at == (datetime(2026, 5, 6, 12, tzinfo=UTC) if name == "bitstamp" else None)


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("nonsense", ["NaN", "Infinity", "-1", "0", "1e400", "9" * 50, "12,5", "", "1e13"])
def test_a_price_that_can_be_none_is_refused(name: str, nonsense: str) -> None:
    body, price = GOLDEN[name]
    with pytest.raises(NoPrice):
        FORMATS[name].prices(body.replace(price.encode(), nonsense.encode()), (BTC_EUR,))


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"<html>", b'{"data":{}}', b'{"error":["EQuery:Unknown"]}'])
def test_an_answer_of_another_shape_is_no_price(name: str, body: bytes) -> None:
    with pytest.raises(NoPrice):
        FORMATS[name].prices(body, (BTC_EUR,))


def test_an_answer_about_another_pair_is_no_price() -> None:
    for name in ("coinbase", "binance"):
        with pytest.raises(NoPrice):
            FORMATS[name].prices(GOLDEN[name][0], (Pair(Asset.ETH, "EUR"),))
    assert FORMATS["kraken"].prices(GOLDEN["kraken"][0], (Pair(Asset.ETH, "EUR"),)) == {}
