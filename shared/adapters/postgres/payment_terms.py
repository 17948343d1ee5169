"""What payments read of orders, shops and prices, from the primary: money is never quoted from a cache."""

from typing import Final

from pydantic import TypeAdapter

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.prices import rate_of_row
from shared.kernel.ids import MerchantId, OrderId, ShopId, UserId
from shared.kernel.money import Asset, Fiat
from shared.payments.facts import FeedPrice
from shared.payments.ports import LockedQuote, PayableOrder
from shared.prices.model import Pair, Said
from shared.prices.rates import by_pair, coins_for, less_spread, usable
from shared.shops.facts import PayoutAccount

_PAYABLE: Final = Sql(
    """
select o.shop_id, o.merchant_id, o.customer_id, o.status = 'pending', o.pay_by > clock_timestamp(), o.currency,
       o.total, o.pay_by, o.version, s.accepts, s.payout::text, s.confirmations::text,
       (s.zero_confirmation ->> 'max_order')::numeric, s.spread_bp::text
  from orders o join shops s using (shop_id) where o.order_id = :order_id
"""
)
_RATES: Final = Sql(
    "select clock_timestamp(), asset, currency, rate, feeds::text, at, version from price_latest"
    " where asset = :asset and currency = any(array[:currency, :peg])"
)
_NOW: Final = Sql("select clock_timestamp()")
_PAYOUT: Final = TypeAdapter(dict[str, PayoutAccount])
_BY_ASSET: Final = TypeAdapter(dict[Asset, int])


class PostgresPayableOrders:
    """Orders as payments see them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def payable(self, order_id: OrderId) -> PayableOrder | None:
        """Return what a payment must know, or None when there is no such order."""
        rows = await self._db.run(_PAYABLE, order_id=order_id)
        if not rows:
            return None
        (
            shop_id,
            merchant_id,
            customer_id,
            pending,
            in_time,
            currency,
            total,
            pay_by,
            version,
            accepts,
            payout,
            asked,
            up_to,
            spreads,
        ) = rows[0]
        return PayableOrder(
            order_id=order_id,
            shop_id=ShopId(shop_id),
            merchant_id=MerchantId(merchant_id),
            customer_id=UserId(customer_id),
            pending=pending,
            in_time=in_time,
            total=Fiat(currency=currency, units=int(total)),
            pay_by=pay_by,
            version=version,
            accepts=tuple(Asset(symbol) for symbol in accepts),
            payout=_PAYOUT.validate_json(payout),
            confirmations=_BY_ASSET.validate_json(asked),
            spread_bp=_BY_ASSET.validate_json(spreads),
            zero_confirmation_up_to=None if up_to is None else int(up_to),
        )


class PostgresQuotes:
    """Turns fiat into coins at the present rate; its age is judged by the database's clock."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def lock(self, fiat: Fiat, asset: Asset, *, spread_bp: int = 0) -> LockedQuote:
        """Return the amount in base units, rounded up, at a rate so far below the market (in 0.01 %).

        Raises NoFreshPrice, AssetDepegged.
        """
        peg = asset.peg or fiat.currency
        rows = await self._db.run(_RATES, asset=asset, currency=fiat.currency, peg=peg)
        rates = by_pair(rate_of_row(row[1:]) for row in rows)
        now = rows[0][0] if rows else (await self._db.run(_NOW))[0][0]
        pair = Pair(asset, fiat.currency)
        rate = usable(rates.get(pair), rates.get(Pair(asset, peg)), pair, now=now)
        given = less_spread(rate.rate, spread_bp)
        return LockedQuote(
            amount=coins_for(fiat, given, asset),
            rate=f"{given:f}",
            feeds=tuple(_feed_price(said) for said in rate.feeds),
            left_out=tuple(_feed_price(said) for said in rate.left_out),
            locked_at=now,
            spread_bp=spread_bp,
        )


def _feed_price(said: Said) -> FeedPrice:
    return FeedPrice(feed=said.feed, price=said.price, at=said.at)
