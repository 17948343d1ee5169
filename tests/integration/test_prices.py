"""Prices from four local exchanges into a real database: feeds dying one by one never make a wrong price."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from prometheus_client import REGISTRY

from emulators.component import Running
from emulators.feeds import FEEDS, Control
from shared.adapters.feeds.http import HttpFeed
from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.inbox import PostgresInbox
from shared.adapters.postgres.payment_terms import PostgresQuotes
from shared.adapters.postgres.prices import PostgresPrices
from shared.adapters.redis.cache import RedisCache
from shared.adapters.redis.client import connect
from shared.adapters.redis.documents import CachedDocuments
from shared.adapters.resilience import Limits
from shared.kernel.clock import SystemClock
from shared.kernel.decision import By, Taking
from shared.kernel.documents import Document
from shared.kernel.money import Asset, Fiat
from shared.prices.convert import convert
from shared.prices.get_prices import get_prices, prices_document
from shared.prices.model import Convert, Pair, PricesView, Rate, Reading
from shared.prices.poll_prices import poll_prices
from shared.prices.ports import Polling, Prices, ShownPrices
from shared.prices.publish_prices import publish_prices
from shared.prices.rates import AssetDepegged, NoFreshPrice, NotPriced
from shared.settings import PostgresSettings, PricesSettings, RedisSettings

PAIRS = tuple(
    Pair(asset, currency) for currency in ("EUR", "USD") for asset in (Asset.BTC, Asset.ETH, Asset.USDC, Asset.USDT)
)
POLL = By("poll_prices")
IMPATIENT = Limits(timeout_s=3.0, attempts=1, concurrent=4, failures=1000)
TOLD = Sql("select key, convert_from(body, 'UTF8') from outbox where topic = 'price-events' order by seq")
AGE = Sql("update price_latest set at = at - :by::text::interval, published_at = published_at - :by::text::interval")
COFFEE = Fiat(currency="EUR", units=420)


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    db = Database(PostgresSettings(database))
    yield db
    db.close()


@pytest.fixture
async def polling(db: Database, feeds_server: Running, feeds: Control) -> AsyncIterator[Polling]:
    settings = PricesSettings.from_env(feeds_server.env)
    asked = tuple(HttpFeed(feed, IMPATIENT) for feed in settings.feeds)
    yield Polling(asked, PAIRS, PostgresPrices(db, region="test"), SystemClock())
    for feed in asked:
        await feed.close()


async def rates(polling: Polling, currency: str = "EUR") -> dict[Asset, Rate]:
    return {rate.asset: rate for rate in await polling.rows.in_currency(currency)}


async def test_every_pair_gets_the_median_of_all_feeds_with_its_proof(polling: Polling, db: Database) -> None:
    assert await poll_prices(by=POLL, using=polling) == len(PAIRS)
    found = await rates(polling)
    assert set(found) == {pair.asset for pair in PAIRS}
    assert {said.feed for said in found[Asset.BTC].feeds} == set(FEEDS)
    assert Decimal(50_000) < found[Asset.BTC].rate < Decimal(70_000)
    told = await db.run(TOLD)
    assert len(told) == len(PAIRS)
    envelopes = [json.loads(body) for _, body in told]
    assert {each["type"] for each in envelopes} == {"price.updated.v1"}
    assert [each["sequence"] for key, each in zip(told, envelopes, strict=True) if key[0] == "price_EUR"] == list(
        "1234"
    )


async def test_a_rate_that_stands_still_is_told_again_only_after_a_minute(polling: Polling, db: Database) -> None:
    await poll_prices(by=POLL, using=polling)
    await poll_prices(by=POLL, using=polling)
    assert len(await db.run(TOLD)) == len(PAIRS)
    await db.run(AGE, by="1 minute")
    await poll_prices(by=POLL, using=polling)
    assert len(await db.run(TOLD)) == 2 * len(PAIRS)


class Broken:
    """A feed that our own mistake makes fail."""

    async def read(self, pairs: Sequence[Pair]) -> dict[Pair, Reading]:
        raise ZeroDivisionError


async def test_a_mistake_with_one_feed_is_seen_and_does_not_stop_the_others(polling: Polling) -> None:
    with pytest.raises(ZeroDivisionError):
        await poll_prices(by=POLL, using=replace(polling, feeds=(Broken(), *polling.feeds)))
    assert set(await rates(polling)) == {pair.asset for pair in PAIRS}


async def test_one_feed_gone_mad_changes_nothing(polling: Polling, feeds: Control, db: Database) -> None:
    await poll_prices(by=POLL, using=polling)
    before = (await rates(polling))[Asset.ETH].rate
    feeds.price("kraken", "ETH", "EUR", Decimal(1))
    await poll_prices(by=POLL, using=polling)
    after = (await rates(polling))[Asset.ETH]
    assert abs(after.rate - before) < before * Decimal("0.01")
    assert "kraken" not in {said.feed for said in after.feeds}
    assert [(said.feed, said.price) for said in after.left_out] == [("kraken", "1")]
    locked = await PostgresQuotes(db).lock(COFFEE, Asset.ETH)
    assert [said.feed for said in locked.left_out] == ["kraken"]
    assert len(locked.feeds) == len(FEEDS) - 1


async def test_feeds_dying_one_by_one_end_in_no_quote_and_never_in_a_wrong_one(
    polling: Polling, feeds: Control, db: Database
) -> None:
    quotes = PostgresQuotes(db)
    await poll_prices(by=POLL, using=polling)
    whole = await quotes.lock(COFFEE, Asset.BTC)
    for feed in FEEDS[4:]:
        feeds.fail(feed, 500)
    feeds.silence("coinbase")
    feeds.fail("kraken", 503)
    await poll_prices(by=POLL, using=polling)
    half = await quotes.lock(COFFEE, Asset.BTC)
    assert {said.feed for said in half.feeds} == {"binance", "bitstamp"}
    assert abs(half.amount.units - whole.amount.units) < whole.amount.units // 50
    feeds.delay("binance", 4)
    with pytest.raises(NoFreshPrice):
        await poll_prices(by=POLL, using=polling)
    assert (await quotes.lock(COFFEE, Asset.BTC)).amount == half.amount  # still fresh enough
    await db.run(AGE, by="61 seconds")
    with pytest.raises(NoFreshPrice):
        await quotes.lock(COFFEE, Asset.BTC)
    feeds.reset()
    await poll_prices(by=POLL, using=polling)
    assert len((await quotes.lock(COFFEE, Asset.BTC)).feeds) == len(FEEDS)


async def test_two_of_three_that_lie_together_make_no_price_and_the_true_one_runs_out(
    polling: Polling, feeds: Control, db: Database
) -> None:
    await poll_prices(by=POLL, using=polling)
    before = (await rates(polling))[Asset.BTC]
    for feed in FEEDS[3:]:
        feeds.fail(feed, 500)
    for feed in FEEDS[:2]:
        feeds.price(feed, "BTC", "EUR", Decimal(90_000))
    for _ in range(3):
        assert await poll_prices(by=POLL, using=polling) == len(PAIRS) - 1
    assert (await rates(polling))[Asset.BTC] == before
    assert (await PostgresQuotes(db).lock(COFFEE, Asset.BTC)).rate == f"{before.rate:f}"
    await db.run(AGE, by="61 seconds")
    await poll_prices(by=POLL, using=polling)
    with pytest.raises(NoFreshPrice):
        await PostgresQuotes(db).lock(COFFEE, Asset.BTC)
    assert await PostgresQuotes(db).lock(COFFEE, Asset.ETH)


async def test_a_market_that_falls_by_a_fifth_before_all_eyes_is_followed_at_once(
    polling: Polling, feeds: Control
) -> None:
    await poll_prices(by=POLL, using=polling)
    fallen = (await rates(polling))[Asset.BTC].rate * Decimal("0.8")
    for feed in FEEDS[:-1]:
        feeds.price(feed, "BTC", "EUR", fallen.quantize(Decimal("0.01")))
    assert await poll_prices(by=POLL, using=polling) == len(PAIRS) - 1  # one has not seen it yet
    feeds.price(FEEDS[-1], "BTC", "EUR", fallen.quantize(Decimal("0.01")))
    assert await poll_prices(by=POLL, using=polling) == len(PAIRS)
    assert abs((await rates(polling))[Asset.BTC].rate - fallen) < 1


async def test_a_stablecoin_is_not_quoted_while_nobody_knows_what_it_is_worth_in_its_peg(
    polling: Polling, feeds: Control, db: Database
) -> None:
    for number, feed in enumerate(FEEDS):
        feeds.price(feed, "USDT", "USD", Decimal(1) + Decimal(number) / 10)
    assert await poll_prices(by=POLL, using=polling) == len(PAIRS) - 1
    with pytest.raises(NoFreshPrice, match="peg"):
        await PostgresQuotes(db).lock(COFFEE, Asset.USDT)
    for feed in FEEDS:
        feeds.price(feed, "USDT", "USD", Decimal("0.95"))
    await poll_prices(by=POLL, using=polling)
    with pytest.raises(AssetDepegged):
        await PostgresQuotes(db).lock(COFFEE, Asset.USDT)
    assert await PostgresQuotes(db).lock(COFFEE, Asset.USDC)


async def test_how_many_feeds_agree_and_since_when_is_measured(polling: Polling, feeds: Control) -> None:
    for feed in FEEDS[5:]:
        feeds.fail(feed, 500)
    await poll_prices(by=POLL, using=polling)
    agreeing = REGISTRY.get_sample_value("price_feeds_agreeing", {"asset": "BTC", "currency": "EUR"})
    at = REGISTRY.get_sample_value("price_rate_time_seconds", {"asset": "BTC", "currency": "EUR"})
    assert agreeing == 5
    assert at == (await rates(polling))[Asset.BTC].at.timestamp()


async def test_a_pair_that_the_feeds_dispute_keeps_its_old_rate_while_others_go_on(
    polling: Polling, feeds: Control
) -> None:
    await poll_prices(by=POLL, using=polling)
    before = await rates(polling)
    for number, feed in enumerate(FEEDS):
        feeds.price(feed, "BTC", "EUR", Decimal(50_000 + 5_000 * number))
    assert await poll_prices(by=POLL, using=polling) == len(PAIRS) - 1
    after = await rates(polling)
    assert after[Asset.BTC] == before[Asset.BTC]
    assert after[Asset.ETH].at > before[Asset.ETH].at


async def test_an_older_poll_that_ends_later_overwrites_nothing(polling: Polling, db: Database) -> None:
    await poll_prices(by=POLL, using=polling)
    newer = (await rates(polling))[Asset.BTC]
    older = newer.model_copy(update={"rate": Decimal(1), "at": newer.at - timedelta(seconds=5)})
    assert await polling.rows.record([older], by=POLL, now=SystemClock().now()) == 0
    assert (await rates(polling))[Asset.BTC] == newer


async def test_conversion_says_what_a_quote_would(polling: Polling, db: Database) -> None:
    await poll_prices(by=POLL, using=polling)
    prices = Prices(polling.rows, SystemClock())
    there = (await convert(Convert(asset=Asset.ETH, units=420), using=prices)).view
    assert there.coins == (await PostgresQuotes(db).lock(COFFEE, Asset.ETH)).amount
    back = (await convert(Convert(asset=Asset.ETH, coin_units=there.coins.units), using=prices)).view
    assert back.fiat == COFFEE
    with pytest.raises(NotPriced):
        await convert(Convert(asset=Asset.BTC, currency="JPY", units=1), using=prices)


async def test_shown_prices_come_from_the_cache_until_an_event_drops_them(
    polling: Polling, db: Database, redis_url: str
) -> None:
    clock, settings = SystemClock(), RedisSettings(redis_url)
    client = connect(settings)
    cache = RedisCache(client, settings, nearby_s=0.0, nearby_entries=1)

    async def build(currency: str) -> Document[PricesView]:
        return await prices_document(currency, rows=polling.rows, clock=clock)

    shown = ShownPrices(CachedDocuments(cache, "prices", build, clock=clock, kept_s=0.0), PostgresInbox(db))
    await poll_prices(by=POLL, using=polling)
    first = PricesView.model_validate_json((await get_prices("EUR", using=shown)).body)
    assert [price.asset for price in first.prices] == [Asset.BTC, Asset.ETH, Asset.USDC, Asset.USDT]
    assert all(price.fresh for price in first.prices)
    await db.run(AGE, by="1 hour")
    await poll_prices(by=POLL, using=polling)
    assert PricesView.model_validate_json((await get_prices("EUR", using=shown)).body) == first
    event = By("publish_prices", once=Taking("publish_prices", "evt_1"))
    await publish_prices("EUR", first.version + 1, by=event, using=shown)
    again = PricesView.model_validate_json((await get_prices("EUR", using=shown)).body)
    assert again.version > first.version
    await client.aclose()
