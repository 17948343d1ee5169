"""get_price_history: what a coin has cost, minute by minute, hour by hour or day by day."""

from typing import Final

from shared.kernel.errors import Invalid
from shared.kernel.reply import Reply
from shared.prices.model import GetPriceHistory, Pair, PriceHistoryView
from shared.prices.ports import PriceHistory
from shared.prices.rates import NotPriced

MOST: Final = 1_500
"""Steps that are answered at once."""
USUAL: Final = 100
"""Steps that are answered to who does not say since when."""


async def get_price_history(asked: GetPriceHistory, *, using: PriceHistory) -> Reply[PriceHistoryView]:
    """Return the bars of a span, oldest first; one without a poll is missing. Raises Invalid, NotPriced."""
    length = asked.step.length
    until = asked.until or using.clock.now()
    since = asked.since or until - USUAL * length
    if since >= until:
        raise Invalid("`since` lies before `until`.")
    if until - since > MOST * length:
        raise Invalid(f"At most {MOST} steps are answered at once: ask for a shorter span, or for longer steps.")
    pair = Pair(asked.asset, asked.currency)
    bars = await using.bars.between(pair, asked.step, since, until)
    if not bars and not await using.bars.known(pair):
        raise NotPriced(f"{asked.asset} is not priced in {asked.currency} here.")
    view = PriceHistoryView(asset=asked.asset, currency=asked.currency, step=asked.step, bars=tuple(bars))
    return Reply(view, headers={"cache-control": "public, max-age=10"})
