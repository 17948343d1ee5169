"""Exchanges that are asked for one pair at a time: Coinbase, Binance, Bitstamp, OKX, Gemini."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from shared.adapters.feeds.reading import LIVE, Answered, NoPrice, decoded, moment, price_of
from shared.prices.model import Pair


class _Single:
    """One question for each pair."""

    fresh_for: Final[timedelta] = LIVE

    def questions(self, pairs: Sequence[Pair]) -> Mapping[str, Sequence[Pair]]:
        """Return one path for each pair."""
        return {self.path(pair): (pair,) for pair in pairs}

    def prices(self, body: bytes, pairs: Sequence[Pair]) -> Mapping[Pair, Answered]:
        """Return the price, if it is of the pair that was asked for. Raises NoPrice."""
        (pair,) = pairs
        return {pair: self.price(body, pair)}

    def path(self, pair: Pair) -> str:
        """Return the path to ask about a pair."""
        raise NotImplementedError

    def price(self, body: bytes, pair: Pair) -> Answered:
        """Return what the answer says about the pair. Raises NoPrice."""
        raise NotImplementedError


def _must_be(told: str, pair: Pair, asked: str) -> None:
    if told != asked:
        raise NoPrice(f"asked for {pair.asset} in {pair.currency}, told {told[:20]}")


class _Spot(msgspec.Struct):
    amount: str
    base: str
    currency: str


class _CoinbaseAnswer(msgspec.Struct):
    data: _Spot


class Coinbase(_Single):
    """Source: docs.cdp.coinbase.com, "Get spot price"."""

    def path(self, pair: Pair) -> str:
        """Return the spot price's path."""
        return f"/v2/prices/{pair.asset}-{pair.currency}/spot"

    def price(self, body: bytes, pair: Pair) -> Answered:
        """Return the spot price. Raises NoPrice."""
        spot = decoded(_CoinbaseAnswer, body).data
        _must_be(f"{spot.base}-{spot.currency}", pair, f"{pair.asset}-{pair.currency}")
        return Answered(price_of(spot.amount))


class _BinanceAnswer(msgspec.Struct):
    symbol: str
    price: str


class Binance(_Single):
    """Source: developers.binance.com, "Symbol price ticker"."""

    def path(self, pair: Pair) -> str:
        """Return the ticker's path."""
        return f"/api/v3/ticker/price?symbol={pair.asset}{pair.currency}"

    def price(self, body: bytes, pair: Pair) -> Answered:
        """Return the last price. Raises NoPrice."""
        told = decoded(_BinanceAnswer, body)
        _must_be(told.symbol, pair, f"{pair.asset}{pair.currency}")
        return Answered(price_of(told.price))


class _BitstampAnswer(msgspec.Struct):
    last: str
    timestamp: str


class Bitstamp(_Single):
    """Says when. Source: bitstamp.net/api, "Ticker"."""

    def path(self, pair: Pair) -> str:
        """Return the ticker's path."""
        return f"/api/v2/ticker/{pair.asset.lower()}{pair.currency.lower()}/"

    def price(self, body: bytes, pair: Pair) -> Answered:
        """Return the last price and its time. Raises NoPrice."""
        told = decoded(_BitstampAnswer, body)
        return Answered(price_of(told.last), moment(told.timestamp))


class _OkxTicker(msgspec.Struct, rename="camel"):
    inst_id: str
    last: str
    ts: str


class _OkxAnswer(msgspec.Struct):
    code: str
    msg: str = ""
    data: list[_OkxTicker] = []


class Okx(_Single):
    """Its errors may come with status 200 and a code of their own. Source: okx.com/docs-v5, "Get ticker"."""

    def path(self, pair: Pair) -> str:
        """Return the ticker's path."""
        return f"/api/v5/market/ticker?instId={pair.asset}-{pair.currency}"

    def price(self, body: bytes, pair: Pair) -> Answered:
        """Return the last price and its time, which is told in milliseconds. Raises NoPrice."""
        told = decoded(_OkxAnswer, body)
        if told.code != "0" or len(told.data) != 1:
            raise NoPrice(f"{told.code[:10]}: {told.msg[:100]}")
        (ticker,) = told.data
        _must_be(ticker.inst_id, pair, f"{pair.asset}-{pair.currency}")
        return Answered(price_of(ticker.last), moment(ticker.ts, per_second=1000))


class _GeminiAnswer(msgspec.Struct):
    last: str
    volume: dict[str, str | int]


class Gemini(_Single):
    """Names the pair only by the currencies of its volume. Source: docs.gemini.com, "Get ticker" (v1)."""

    def path(self, pair: Pair) -> str:
        """Return the ticker's path."""
        return f"/v1/pubticker/{pair.asset.lower()}{pair.currency.lower()}"

    def price(self, body: bytes, pair: Pair) -> Answered:
        """Return the last price and its time, which is told in milliseconds. Raises NoPrice."""
        told = decoded(_GeminiAnswer, body)
        _must_be("/".join(sorted(told.volume.keys() - {"timestamp"})), pair, _both(pair))
        return Answered(price_of(told.last), moment(told.volume.get("timestamp", 0), per_second=1000))


def _both(pair: Pair) -> str:
    return "/".join(sorted((str(pair.asset), pair.currency)))
