"""Prices in Postgres: the latest rates with their proof, the history, and what is told of them.

Ticks are no stream: nothing is rebuilt from them, so they travel by the outbox alone and stand in no hash chain.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from prometheus_client import Gauge
from pydantic import TypeAdapter

from shared.adapters.postgres.database import Connection, Database, Row, Sql
from shared.adapters.postgres.price_history import BARS
from shared.kernel.clock import rfc3339
from shared.kernel.decision import By
from shared.kernel.encoding import to_json
from shared.kernel.envelope import envelope
from shared.kernel.facts import GENESIS, Recorded, topic_of
from shared.kernel.ids import EventId, MerchantId
from shared.kernel.money import Asset, Currency
from shared.prices.facts import PriceUpdated
from shared.prices.model import Rate, Said
from shared.prices.rates import is_news

_AGREEING: Final = Gauge("price_feeds_agreeing", "Feeds behind the latest rate of a pair", ["asset", "currency"])
_TIME: Final = Gauge("price_rate_time_seconds", "When the latest rate of a pair was found", ["asset", "currency"])
PLATFORM: Final = MerchantId("mer_" + 32 * "0")
"""Whom facts about prices belong to: no merchant, the platform."""

_SAID: Final = TypeAdapter(tuple[Said, ...])
_IN_CURRENCY: Final = Sql(
    "select asset, currency, rate, feeds::text, at, version from price_latest where currency = :currency order by asset"
)
_EVERY: Final = Sql("select asset, currency, rate, feeds::text, at, version from price_latest")
_LOCK: Final = Sql("select pg_advisory_xact_lock(hashtext('price_latest'))")
_LATEST: Final = Sql("select asset, currency, at, published, published_at, version from price_latest")
_KEEP: Final = Sql(
    """
insert into price_latest as kept (asset, currency, rate, feeds, at, published, published_at, version)
select asset, currency, rate, feeds, at, published, published_at, version
  from jsonb_to_recordset(:rates::jsonb) as r(asset text, currency text, rate numeric, feeds jsonb, at timestamptz,
       published numeric, published_at timestamptz, version bigint)
on conflict (asset, currency) do update
   set rate = excluded.rate, feeds = excluded.feeds, at = excluded.at, published = excluded.published,
       published_at = excluded.published_at, version = excluded.version
"""
)
_TICKS: Final = Sql(
    "insert into price_ticks (asset, currency, at, rate, feeds) select asset, currency, at, rate, feeds"
    " from jsonb_to_recordset(:rates::jsonb) as r(asset text, currency text, rate numeric, feeds jsonb, at timestamptz)"
    " on conflict do nothing"
)
_SEND: Final = Sql(
    "insert into outbox (event_id, topic, key, region, body, traceparent)"
    " select event_id, topic, key, region, convert_to(body, 'UTF8'), traceparent"
    " from jsonb_to_recordset(:outbox::jsonb) as o(event_id text, topic text, key text, region text,"
    " body text, traceparent text)"
)


class PostgresPrices:
    """Fulfils `shared.prices.ports.PriceRows`."""

    def __init__(self, db: Database, *, region: str) -> None:
        self._db = db
        self._region = region

    async def in_currency(self, currency: Currency) -> Sequence[Rate]:
        """Return the latest rate of each asset, however old."""
        return [rate_of_row(row) for row in await self._db.run(_IN_CURRENCY, currency=currency)]

    async def latest(self) -> Sequence[Rate]:
        """Return the latest rate of every pair, however old."""
        return [rate_of_row(row) for row in await self._db.run(_EVERY)]

    async def record(self, rates: Sequence[Rate], *, by: By, now: datetime) -> int:
        """Keep newer rates with their proof, publish those that are news; return how many were published.

        One writer at a time: two polls that overlap can't tell an old rate after a newer one.
        """

        def work(connection: Connection) -> int:
            connection.run(_LOCK, {})
            kept, news = _weighed(rates, connection.run(_LATEST, {}), now=now)
            if kept:
                connection.run(_KEEP, {"rates": to_json(kept)})
                connection.run(BARS, {"rates": to_json(kept)})
            if news:
                connection.run(_TICKS, {"rates": to_json([_columns(rate) for rate in news])})
                connection.run(_SEND, {"outbox": to_json([self._told(rate, by, now) for rate in news])})
            return len(news)

        published = await self._db.transaction(work)
        for rate in rates:
            _AGREEING.labels(rate.asset, rate.currency).set(len(rate.feeds))
            _TIME.labels(rate.asset, rate.currency).set(rate.at.timestamp())
        return published

    def _told(self, rate: Rate, by: By, now: datetime) -> dict[str, object]:
        """Return the outbox row of a rate; its version counts what was told in its currency."""
        fact = PriceUpdated(
            asset=rate.asset, currency=rate.currency, rate=f"{rate.rate:f}", feeds=len(rate.feeds), at=rate.at
        )
        recorded = Recorded(
            id=EventId.new(),
            stream=f"price_{rate.currency}",
            version=rate.version,
            type=fact.type,
            body=fact.canonical,
            prev_hash=GENESIS,
            hash=GENESIS,
            merchant_id=PLATFORM,
            region=self._region,
            actor=by.actor,
            correlation=by.correlation,
            causation=by.causation,
            at=now,
        )
        return {
            "event_id": recorded.id,
            "topic": topic_of(fact.type),
            "key": recorded.stream,
            "region": self._region,
            "body": envelope(recorded, by.traceparent).decode(),
            "traceparent": by.traceparent,
        }


def rate_of_row(row: Row) -> Rate:
    """Return a row (asset, currency, rate, feeds as JSON, at, version) as a Rate."""
    asset, currency, rate, feeds, at, version = row
    said = _SAID.validate_json(feeds)
    return Rate(
        asset=Asset(asset),
        currency=currency,
        rate=rate,
        feeds=tuple(each for each in said if not each.left_out),
        left_out=tuple(each for each in said if each.left_out),
        at=at,
        version=version,
    )


def _weighed(
    rates: Sequence[Rate], latest: Sequence[Row], *, now: datetime
) -> tuple[list[dict[str, object]], list[Rate]]:
    """Return the rows to keep and the rates to publish; a rate no newer than the one that is kept is dropped."""
    known = {(asset, currency): (at, told, told_at, version) for asset, currency, at, told, told_at, version in latest}
    versions: dict[str, int] = {}
    for _, currency, *_, version in latest:
        versions[currency] = max(versions.get(currency, 0), version)
    kept, news = list[dict[str, object]](), list[Rate]()
    for rate in rates:
        at, told, told_at, version = known.get((rate.asset, rate.currency), (None, None, None, 0))
        if at is not None and rate.at <= at:
            continue
        if is_news(rate, told, told_at, now=now):
            version = versions[rate.currency] = versions.get(rate.currency, 0) + 1
            told, told_at = rate.rate, now
            news.append(rate.model_copy(update={"version": version}))
        kept.append({**_columns(rate), "published": _text(told), "published_at": rfc3339(told_at), "version": version})
    return kept, news


def _columns(rate: Rate) -> dict[str, object]:
    return {
        "asset": rate.asset,
        "currency": rate.currency,
        "rate": _text(rate.rate),
        "feeds": [said.model_dump(mode="json", exclude_none=True) for said in (*rate.feeds, *rate.left_out)],
        "at": rfc3339(rate.at),
    }


def _text(number: Decimal) -> str:
    return f"{number:f}"
