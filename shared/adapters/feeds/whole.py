"""Exchanges that answer many pairs at once: Kraken, Bitfinex, CoinGecko."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from shared.adapters.feeds.reading import LIVE, Answered, NoPrice, decoded, sensible
from shared.prices.model import Pair


class _KrakenTicker(msgspec.Struct):
    c: list[str]


class _KrakenAnswer(msgspec.Struct):
    error: list[str]
    result: dict[str, _KrakenTicker] = {}


class Kraken:
    """Its errors come with status 200, and one unknown pair spoils the whole answer: each currency is asked apart.

    Source: docs.kraken.com, "Get Ticker Information".
    """

    fresh_for: Final = LIVE
    _CODES: Final[Mapping[str, tuple[str, ...]]] = {"BTC": ("XBT", "XXBT"), "ETH": ("ETH", "XETH")}
    """What Kraken calls them; the first is what it is asked for."""
    _TRADED: Final = frozenset({"BTC", "ETH", "USDC", "USDT"})
    """Traded in every currency that is; anything else is asked for alone."""

    def questions(self, pairs: Sequence[Pair]) -> Mapping[str, Sequence[Pair]]:
        """Return one path for the usual coins of each currency, and one for each other pair."""
        together: dict[str, list[Pair]] = {}
        for pair in pairs:
            usual = pair.asset in self._TRADED
            together.setdefault(pair.currency if usual else f"{pair.asset}{pair.currency}", []).append(pair)
        return {self._path(asked): asked for asked in together.values()}

    def prices(self, body: bytes, pairs: Sequence[Pair]) -> Mapping[Pair, Answered]:
        """Return the last trades' prices, found by Kraken's own names of pairs. Raises NoPrice."""
        told = decoded(_KrakenAnswer, body)
        if told.error:
            raise NoPrice("; ".join(told.error)[:200])
        by_name = {name: pair for pair in pairs for name in self._names(pair)}
        return sensible(
            (by_name[name], ticker.c[0], None) for name, ticker in told.result.items() if name in by_name and ticker.c
        )

    def _path(self, pairs: Sequence[Pair]) -> str:
        names = (f"{self._codes(pair)[0]}{pair.currency}" for pair in pairs)
        return f"/0/public/Ticker?pair={','.join(names)}"

    def _names(self, pair: Pair) -> tuple[str, ...]:
        """Return what Kraken may call a pair: XXBTZEUR, XBTEUR, USDTZUSD, USDCUSD …"""
        return tuple(f"{code}{z}{pair.currency}" for code in self._codes(pair) for z in ("", "Z"))

    def _codes(self, pair: Pair) -> tuple[str, ...]:
        return self._CODES.get(pair.asset, (str(pair.asset),))


class _BitfinexTicker(msgspec.Struct, array_like=True):
    """A trading pair's row; numbers, and null where nothing was traded."""

    symbol: str
    bid: int | float | None
    bid_size: int | float | None
    ask: int | float | None
    ask_size: int | float | None
    daily_change: int | float | None
    daily_change_relative: int | float | None
    last_price: int | float | None


class Bitfinex:
    """Arrays of arrays of numbers; a pair that it does not have is missing. Source: docs.bitfinex.com, "Tickers"."""

    fresh_for: Final = LIVE
    _CODES: Final[Mapping[str, str]] = {"USDC": "UDC", "USDT": "UST"}

    def questions(self, pairs: Sequence[Pair]) -> Mapping[str, Sequence[Pair]]:
        """Return one path for all pairs."""
        return {f"/v2/tickers?symbols={','.join(map(self._symbol, pairs))}": tuple(pairs)}

    def prices(self, body: bytes, pairs: Sequence[Pair]) -> Mapping[Pair, Answered]:
        """Return the last trades' prices. Raises NoPrice."""
        by_symbol = {self._symbol(pair): pair for pair in pairs}
        return sensible(
            (by_symbol[row.symbol], row.last_price, None)
            for row in decoded(list[_BitfinexTicker], body)
            if row.symbol in by_symbol and row.last_price is not None
        )

    def _symbol(self, pair: Pair) -> str:
        code = self._CODES.get(pair.asset, str(pair.asset))
        return f"t{code}{pair.currency}" if len(code) == 3 else f"t{code}:{pair.currency}"


class CoinGecko:
    """An average of many exchanges, made anew every minute. Source: docs.coingecko.com, "Coin price by IDs"."""

    fresh_for: Final = timedelta(seconds=180)
    _IDS: Final[Mapping[str, str]] = {
        "BTC": "bitcoin",
        "ETH": "ethereum",
        "USDC": "usd-coin",
        "USDT": "tether",
        "DAI": "dai",
        "EURC": "euro-coin",
    }

    def questions(self, pairs: Sequence[Pair]) -> Mapping[str, Sequence[Pair]]:
        """Return one path for all pairs of coins that it is known how CoinGecko calls them."""
        asked = tuple(pair for pair in pairs if pair.asset in self._IDS)
        ids = ",".join(dict.fromkeys(self._IDS[pair.asset] for pair in asked))
        currencies = ",".join(dict.fromkeys(pair.currency.lower() for pair in asked))
        path = f"/api/v3/simple/price?ids={ids}&vs_currencies={currencies}&include_last_updated_at=true&precision=full"
        return {path: asked} if asked else {}

    def prices(self, body: bytes, pairs: Sequence[Pair]) -> Mapping[Pair, Answered]:
        """Return the prices and when they were made. Raises NoPrice."""
        told = decoded(dict[str, dict[str, int | float | None]], body)
        said = ((pair, told.get(self._IDS[pair.asset], {})) for pair in pairs)
        return sensible(
            (pair, price, coin.get("last_updated_at") or 0)
            for pair, coin in said
            if (price := coin.get(pair.currency.lower())) is not None
        )
