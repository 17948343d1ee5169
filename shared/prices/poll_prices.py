"""poll_prices: ask every feed at once, keep the median of those that are fresh and agree."""

import asyncio

from shared.kernel.decision import By
from shared.kernel.errors import Transient
from shared.prices.model import Pair, Rate
from shared.prices.ports import Polling
from shared.prices.rates import NoFreshPrice, by_pair, rate_of


async def poll_prices(*, by: By, using: Polling) -> int:
    """Keep what can be known now and return how many rates that were.

    A pair that too few feeds agree on keeps its old rate, which soon is too old for quotes. Raises Transient when no
    pair at all has a price, and whatever else a feed raised, once what the others said is kept.
    """
    asked = tuple(dict.fromkeys(source(pair) for pair in using.pairs))
    told = await asyncio.gather(*(feed.read(asked) for feed in using.feeds), return_exceptions=True)
    answers = [answer for answer in told if not isinstance(answer, BaseException)]
    last = by_pair(await using.rows.latest())
    now, rates = using.clock.now(), list[Rate]()
    for pair in using.pairs:
        readings = [answer[source(pair)] for answer in answers if source(pair) in answer]
        try:
            rates.append(rate_of(pair, readings, now=now, last=last.get(pair)))
        except NoFreshPrice:
            continue  # told to whoever asks for a quote, once the old rate is too old
    if rates:
        await using.rows.record(rates, by=by, now=now)
    elif using.pairs:
        raise NoFreshPrice(f"{len(answers)} of {len(using.feeds)} price feeds answered, and no two agree on anything.")
    for answer in told:  # a mistake of ours with one feed: it must be seen, and must not stop the others
        if isinstance(answer, BaseException) and not isinstance(answer, Transient):
            raise answer
    return len(rates)


def source(pair: Pair) -> Pair:
    """Return the pair that feeds are asked for: a bridged token, say, has the price of what it stands for."""
    return Pair(pair.asset.priced_as, pair.currency)
