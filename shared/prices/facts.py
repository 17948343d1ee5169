"""Published facts of prices. Ticks are facts for caches and read models; they are not replayed."""

from datetime import datetime
from typing import ClassVar

from shared.kernel.facts import Fact
from shared.kernel.money import Asset, Currency


class PriceUpdated(Fact):
    """The median of the fresh feeds moved. `rate` is fiat per whole coin, a decimal string."""

    type: ClassVar = "price.updated.v1"
    asset: Asset
    currency: Currency
    rate: str
    feeds: int
    at: datetime
