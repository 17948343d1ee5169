"""publish_prices: a price moved, so this region's caches let the old one go."""

from shared.kernel.decision import By
from shared.kernel.money import Currency
from shared.prices.ports import ShownPrices


async def publish_prices(currency: Currency, version: int, *, by: By, using: ShownPrices) -> None:
    """Drop cached prices of the currency that are older than `version`. Again is harmless."""
    await using.documents.invalidate(currency, version)
    await using.inbox.take(by)
