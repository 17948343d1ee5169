"""How each exchange is asked and how it answers. Pure: a path out, bytes in; what makes no sense is no price."""

from collections.abc import Mapping
from typing import Final

from shared.adapters.feeds.reading import Format
from shared.adapters.feeds.single import Binance, Bitstamp, Coinbase, Gemini, Okx
from shared.adapters.feeds.whole import Bitfinex, CoinGecko, Kraken

FORMATS: Final[Mapping[str, Format]] = {
    "coinbase": Coinbase(),
    "kraken": Kraken(),
    "binance": Binance(),
    "bitstamp": Bitstamp(),
    "okx": Okx(),
    "bitfinex": Bitfinex(),
    "gemini": Gemini(),
    "coingecko": CoinGecko(),
}
