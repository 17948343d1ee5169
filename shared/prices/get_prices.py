"""get_prices: what one whole coin of each asset costs."""

from datetime import timedelta
from typing import Final

from shared.kernel.clock import Clock
from shared.kernel.documents import Document
from shared.kernel.money import Currency
from shared.kernel.reply import Encoded, Reply
from shared.prices.model import PricesView, PriceView, Rate
from shared.prices.ports import PriceRows, ShownPrices
from shared.prices.rates import is_fresh

SHOWN_FOR: Final = timedelta(seconds=10)


async def get_prices(currency: Currency, *, using: ShownPrices) -> Reply[Encoded[PricesView]]:
    """Return the prices in a currency, at most some seconds old; empty where none was ever known."""
    return (await using.documents.of(currency)).reply


async def prices_document(currency: str, *, rows: PriceRows, clock: Clock) -> Document[PricesView]:
    """Return the document of a currency's prices from their rows."""
    now = clock.now()
    rates = await rows.in_currency(currency)
    version = max((rate.version for rate in rates), default=0)
    view = PricesView(
        currency=currency,
        prices=tuple(_shown(rate, fresh=is_fresh(rate, now=now)) for rate in rates),
        version=version,
    )
    return Document(
        version=version,
        etag=f"{version}-{int(now.timestamp())}",
        body=Encoded(view.model_dump_json(exclude_none=True).encode()),
        until=now + SHOWN_FOR,
    )


def _shown(rate: Rate, *, fresh: bool) -> PriceView:
    return PriceView(asset=rate.asset, rate=f"{rate.rate:f}", feeds=len(rate.feeds), at=rate.at, fresh=fresh)
