"""How each exchange is asked and how it answers. Pure: a path out, bytes in; what makes no sense is no price."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final, Protocol, TypeVar

import msgspec

from shared.kernel.money import Asset
from shared.prices.model import Pair

T = TypeVar("T")

MAX_PRICE: Final = Decimal(10**12)
_KRAKEN_CODES: Final = {"XBT": Asset.BTC, "XXBT": Asset.BTC, "ETH": Asset.ETH, "XETH": Asset.ETH}


class NoPrice(Exception):
    """The answer holds no usable price."""


class Answered(msgspec.Struct):
    """A price with the feed's own time, where it says one."""

    price: Decimal
    at: datetime | None = None


class Format(Protocol):
    """One exchange's way of talking."""

    def questions(self, pairs: Sequence[Pair]) -> Mapping[str, Sequence[Pair]]:
        """Return the paths to ask, each with the pairs that its answer is about."""
        ...

    def prices(self, body: bytes, pairs: Sequence[Pair]) -> Mapping[Pair, Answered]:
        """Return what an answer says. Raises NoPrice."""
        ...


class _Spot(msgspec.Struct):
    amount: str
    base: str
    currency: str


class _Coinbase(msgspec.Struct):
    data: _Spot


class Coinbase:
    """Source: docs.cdp.coinbase.com, "Get spot price"."""

    def questions(self, pairs: Sequence[Pair]) -> Mapping[str, Sequence[Pair]]:
        """Return one path for each pair."""
        return {f"/v2/prices/{pair.asset}-{pair.currency}/spot": (pair,) for pair in pairs}

    def prices(self, body: bytes, pairs: Sequence[Pair]) -> Mapping[Pair, Answered]:
        """Return the spot price, if it is of the pair that was asked for."""
        spot = _decoded(_Coinbase, body).data
        (pair,) = pairs
        if (spot.base, spot.currency) != (pair.asset, pair.currency):
            raise NoPrice(f"asked for {pair.asset}-{pair.currency}, told {spot.base}-{spot.currency}")
        return {pair: Answered(_price(spot.amount))}


class _Ticker(msgspec.Struct):
    c: list[str]


class _Kraken(msgspec.Struct):
    error: list[str]
    result: dict[str, _Ticker] = {}


class Kraken:
    """All pairs at once; its errors come with status 200. Source: docs.kraken.com, "Get Ticker Information"."""

    def questions(self, pairs: Sequence[Pair]) -> Mapping[str, Sequence[Pair]]:
        """Return one path for all pairs."""
        names = ",".join(f"{'XBT' if pair.asset == Asset.BTC else pair.asset}{pair.currency}" for pair in pairs)
        return {f"/0/public/Ticker?pair={names}": tuple(pairs)}

    def prices(self, body: bytes, pairs: Sequence[Pair]) -> Mapping[Pair, Answered]:
        """Return the last trades' prices, found by Kraken's own names of pairs."""
        told = _decoded(_Kraken, body)
        if told.error:
            raise NoPrice("; ".join(told.error)[:200])
        by_name = {name: pair for pair in pairs for name in _kraken_names(pair)}
        return {
            by_name[name]: Answered(_price(ticker.c[0]))
            for name, ticker in told.result.items()
            if name in by_name and ticker.c
        }


def _kraken_names(pair: Pair) -> tuple[str, ...]:
    """Return what Kraken may call a pair: XXBTZEUR, XBTEUR, USDTZUSD, USDCUSD …"""
    codes = [code for code, asset in _KRAKEN_CODES.items() if asset == pair.asset] or [pair.asset]
    return tuple(f"{code}{z}{pair.currency}" for code in codes for z in ("", "Z"))


class _Binance(msgspec.Struct):
    symbol: str
    price: str


class Binance:
    """Source: developers.binance.com, "Symbol price ticker"."""

    def questions(self, pairs: Sequence[Pair]) -> Mapping[str, Sequence[Pair]]:
        """Return one path for each pair."""
        return {f"/api/v3/ticker/price?symbol={pair.asset}{pair.currency}": (pair,) for pair in pairs}

    def prices(self, body: bytes, pairs: Sequence[Pair]) -> Mapping[Pair, Answered]:
        """Return the price, if it is of the pair that was asked for."""
        told = _decoded(_Binance, body)
        (pair,) = pairs
        if told.symbol != f"{pair.asset}{pair.currency}":
            raise NoPrice(f"asked for {pair.asset}{pair.currency}, told {told.symbol[:20]}")
        return {pair: Answered(_price(told.price))}


class _Bitstamp(msgspec.Struct):
    last: str
    timestamp: str


class Bitstamp:
    """Says when. Source: bitstamp.net/api, "Ticker"."""

    def questions(self, pairs: Sequence[Pair]) -> Mapping[str, Sequence[Pair]]:
        """Return one path for each pair."""
        return {f"/api/v2/ticker/{pair.asset.lower()}{pair.currency.lower()}/": (pair,) for pair in pairs}

    def prices(self, body: bytes, pairs: Sequence[Pair]) -> Mapping[Pair, Answered]:
        """Return the last price and its time."""
        told = _decoded(_Bitstamp, body)
        if not (told.timestamp.isascii() and told.timestamp.isdigit() and len(told.timestamp) <= 11):
            raise NoPrice("no time that makes sense")
        at = datetime.fromtimestamp(int(told.timestamp), UTC)
        return {pair: Answered(_price(told.last), at) for pair in pairs}


FORMATS: Final[Mapping[str, Format]] = {
    "coinbase": Coinbase(),
    "kraken": Kraken(),
    "binance": Binance(),
    "bitstamp": Bitstamp(),
}


def _decoded(kind: type[T], body: bytes) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as wrong:
        raise NoPrice("an answer of another shape") from wrong


def _price(text: str) -> Decimal:
    """Return a price that can be one. Raises NoPrice for NaN, zero, negative and absurd numbers."""
    try:
        price = Decimal(text) if len(text) <= 40 else Decimal("NaN")
    except InvalidOperation as wrong:
        raise NoPrice("no decimal number") from wrong
    if not price.is_finite() or not 0 < price < MAX_PRICE:
        raise NoPrice("no price that makes sense")
    return price
