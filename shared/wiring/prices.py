"""Prices, composed. Feeds are built only where they are polled."""

from functools import cache, partial

from shared.adapters.postgres.prices import PostgresPrices
from shared.kernel.money import MINOR_DIGITS, Asset
from shared.prices.model import Pair
from shared.prices.ports import Polling, Prices, ShownPrices
from shared.settings import Misconfigured, PricesSettings
from shared.wiring.resources import clock, database, region


@cache
def prices() -> Prices:
    """Return what converting is given."""
    return Prices(rows=PostgresPrices(database(), region=region()), clock=clock())


@cache
def shown_prices() -> ShownPrices:
    """Return what showing prices is given."""
    from shared.adapters.postgres.inbox import PostgresInbox
    from shared.adapters.redis.documents import CachedDocuments
    from shared.prices.get_prices import prices_document
    from shared.wiring.cache import document_cache

    db = database()
    build = partial(prices_document, rows=PostgresPrices(db, region=region()), clock=clock())
    return ShownPrices(
        documents=CachedDocuments(document_cache(), "prices", build, clock=clock()), inbox=PostgresInbox(db)
    )


@cache
def polling() -> Polling:
    """Return what polling is given. Raises Misconfigured for a currency or format that nobody knows."""
    from shared.adapters.feeds.http import HttpFeed
    from shared.settings import declare_assets

    settings = PricesSettings.from_env()
    declare_assets()
    unknown = set(settings.currencies) - MINOR_DIGITS.keys()
    if unknown:
        raise Misconfigured(f"PRICE_CURRENCIES: {', '.join(sorted(unknown))} is no currency that is priced here.")
    return Polling(
        feeds=tuple(HttpFeed(feed) for feed in settings.feeds),
        pairs=tuple(Pair(asset, currency) for currency in settings.currencies for asset in Asset.known()),
        rows=PostgresPrices(database(), region=region()),
        clock=clock(),
    )
