"""Prices, composed. Feeds are built only where they are polled."""

from collections.abc import Sequence
from functools import cache, partial

from shared.adapters.postgres.price_history import PostgresPriceHistory
from shared.adapters.postgres.prices import PostgresPrices
from shared.kernel.money import MINOR_DIGITS, Asset
from shared.prices.model import Pair
from shared.prices.ports import Feed, OldPrices, Polling, PriceHistory, Prices, ShownPrices
from shared.settings import FeedSettings, Misconfigured, PricesSettings
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
def price_history() -> PriceHistory:
    """Return what reading the history is given."""
    return PriceHistory(bars=PostgresPriceHistory(database()), clock=clock())


@cache
def old_prices() -> OldPrices:
    """Return what letting old prices go is given."""
    return PostgresPriceHistory(database())


@cache
def polling() -> Polling:
    """Return what polling is given. Raises Misconfigured for a currency or format that nobody knows."""
    from shared.settings import declare_assets

    settings = PricesSettings.from_env()
    declare_assets()
    unknown = set(settings.currencies) - MINOR_DIGITS.keys()
    if unknown:
        raise Misconfigured(f"PRICE_CURRENCIES: {', '.join(sorted(unknown))} is no currency that is priced here.")
    return Polling(
        feeds=tuple(_feed(feed) for feed in settings.feeds),
        pairs=pairs(settings.currencies),
        rows=PostgresPrices(database(), region=region()),
        clock=clock(),
    )


def pairs(currencies: Sequence[str]) -> tuple[Pair, ...]:
    """Return what is priced: every asset in each of these currencies, and stablecoins in what they are pegged to."""
    asked = [Pair(asset, currency) for currency in currencies for asset in Asset.known()]
    pegged = [Pair(asset, asset.peg) for asset in Asset.known() if asset.peg is not None]
    return tuple(dict.fromkeys((*asked, *pegged)))


def _feed(settings: FeedSettings) -> Feed:
    if settings.format == "chainlink":
        from shared.adapters.feeds.chainlink import ChainlinkFeed

        return ChainlinkFeed(settings)
    from shared.adapters.feeds.http import HttpFeed

    return HttpFeed(settings)
