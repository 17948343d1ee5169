"""The rate that refunds at the value of now are counted by: the one that quotes are given at."""

from shared.kernel.money import Asset, Fiat
from shared.payments.facts import RefundMarket
from shared.payments.ports import Quotes


class RefundMarkets:
    """Fulfils `shared.payments.refund_ports.Market`."""

    def __init__(self, quotes: Quotes) -> None:
        self._quotes = quotes

    async def rate(self, fiat: Fiat, asset: Asset) -> RefundMarket:
        """Return fiat per whole coin, with each feed's word. Raises NoFreshPrice, AssetDepegged."""
        locked = await self._quotes.lock(fiat, asset)
        return RefundMarket(rate=locked.rate, feeds=locked.feeds, at=locked.locked_at)
