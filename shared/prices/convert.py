"""convert: fiat to coins as a quote would have it, or coins to fiat."""

from shared.kernel.money import Fiat, Money
from shared.kernel.reply import Reply
from shared.prices.model import Convert, ConvertView, Pair
from shared.prices.ports import Prices
from shared.prices.rates import NotPriced, by_pair, coins_for, fiat_for, usable


async def convert(asked: Convert, *, using: Prices) -> Reply[ConvertView]:
    """Return both amounts at the present rate. Raises NotPriced, NoFreshPrice, AssetDepegged."""
    pair = Pair(asked.asset, asked.currency)
    rates = by_pair(await using.rows.in_currency(asked.currency))
    peg = asked.asset.peg or "USD"
    others = rates if asked.currency == peg else by_pair(await using.rows.in_currency(peg))
    if not rates and others:
        raise NotPriced(f"Coins are not priced in {asked.currency} here. Ask in another currency.")
    rate = usable(rates.get(pair), others.get(Pair(asked.asset, peg)), pair, now=using.clock.now())
    if asked.coin_units is not None:
        coins = Money(asset=asked.asset, units=asked.coin_units)
        fiat = fiat_for(coins, rate.rate, asked.currency)
    else:
        fiat = Fiat(currency=asked.currency, units=asked.units or 0)
        coins = coins_for(fiat, rate.rate, asked.asset)
    return Reply(ConvertView(fiat=fiat, coins=coins, rate=f"{rate.rate:f}", at=rate.at))
