"""The history of prices on a real database: every poll is in its minute and hour, old rows go, spans are bounded."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import pytest

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.price_history import PostgresPriceHistory
from shared.adapters.postgres.prices import PostgresPrices
from shared.kernel.clock import SystemClock
from shared.kernel.decision import By
from shared.kernel.errors import Invalid
from shared.kernel.money import Asset
from shared.prices.get_price_history import MOST, USUAL, get_price_history
from shared.prices.model import GetPriceHistory, Pair, PriceBar, Reading, Step
from shared.prices.ports import PriceHistory
from shared.prices.prune_prices import BATCH, prune_prices
from shared.prices.rates import NotPriced, rate_of
from shared.settings import PostgresSettings

PAIR: Final = Pair(Asset.BTC, "EUR")
NOON: Final = datetime(2026, 5, 6, 12, tzinfo=UTC)
TICKS: Final = Sql("select count(*), (select count(*) from price_bars) from price_ticks")
MANY: Final = Sql(
    "insert into price_bars (asset, currency, step, at, open, high, low, close, polls)"
    " select 'BTC', 'EUR', 'minute', now() - interval '30 seconds' - make_interval(mins => n), 1, 1, 1, 1, 1"
    " from generate_series(:from_::int, :to_::int) as g (n) on conflict do nothing"
)


class At:
    """A moment's clock."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    db = Database(PostgresSettings(database))
    yield db
    db.close()


async def polled(db: Database, prices: dict[datetime, str], pair: Pair = PAIR) -> None:
    rows = PostgresPrices(db, region="test")
    for at, price in prices.items():
        readings = [Reading(name, Decimal(price), at) for name in ("a", "b")]
        await rows.record([rate_of(pair, readings, now=at)], by=By("poll_prices"), now=at)


async def history(db: Database, now: datetime, **asked: object) -> list[PriceBar]:
    command = GetPriceHistory.model_validate({"asset": "BTC", "currency": "EUR", **asked})
    reply = await get_price_history(command, using=PriceHistory(PostgresPriceHistory(db), At(now)))
    return list(reply.view.bars)


def bar(at: datetime, *said: str, polls: int) -> PriceBar:
    return PriceBar(at=at, open=said[0], high=said[1], low=said[2], close=said[3], polls=polls)


async def test_every_poll_is_in_its_minute_hour_and_day(db: Database) -> None:
    seconds = (0, 10, 20, 59, 60, 3599, 3600, 86_399, 86_400)
    prices = ("60000", "60100.5", "59900", "60010", "60020", "61000", "61000.25", "63000", "64000")
    await polled(db, {NOON + timedelta(seconds=s): price for s, price in zip(seconds, prices, strict=True)})
    later = NOON + timedelta(days=1, hours=1)
    minutes = await history(db, later, step="minute", since=NOON, until=NOON + timedelta(minutes=2))
    assert minutes == [
        bar(NOON, "60000", "60100.5", "59900", "60010", polls=4),
        bar(NOON + timedelta(minutes=1), "60020", "60020", "60020", "60020", polls=1),
    ]
    hours = await history(db, later, since=NOON)
    assert hours == [
        bar(NOON, "60000", "61000", "59900", "61000", polls=6),
        bar(NOON + timedelta(hours=1), "61000.25", "61000.25", "61000.25", "61000.25", polls=1),
        bar(NOON + timedelta(hours=23), "63000", "63000", "63000", "63000", polls=1),
        bar(NOON + timedelta(hours=24), "64000", "64000", "64000", "64000", polls=1),
    ]
    midnight = NOON.replace(hour=0)
    assert await history(db, later, step="day") == [
        bar(midnight, "60000", "61000.25", "59900", "61000.25", polls=7),
        bar(midnight + timedelta(days=1), "63000", "64000", "63000", "64000", polls=2),
    ]


async def test_a_span_begins_with_the_step_that_it_falls_into_and_has_a_usual_length(db: Database) -> None:
    await polled(db, {NOON + timedelta(minutes=n): f"{60000 + n}" for n in range(0, 180, 30)})
    inside = await history(db, NOON, step="hour", since=NOON + timedelta(minutes=59), until=NOON + timedelta(hours=2))
    assert [each.at for each in inside] == [NOON, NOON + timedelta(hours=1)]
    assert await history(db, NOON + timedelta(hours=USUAL, minutes=1)) != []
    assert await history(db, NOON + timedelta(hours=USUAL + 4)) == []


async def test_an_older_poll_that_ends_later_is_in_no_bar(db: Database) -> None:
    await polled(db, {NOON + timedelta(seconds=30): "60000"})
    await polled(db, {NOON: "1"})
    (only,) = await history(db, NOON + timedelta(hours=1), step="minute")
    assert (only.low, only.polls) == ("60000", 1)


async def test_polls_at_once_are_each_counted_once(db: Database) -> None:
    at = [NOON + timedelta(milliseconds=n) for n in range(12)]
    await asyncio.gather(*(polled(db, {each: "60000"}) for each in at))
    (only,) = await history(db, NOON + timedelta(hours=1), step="hour", since=NOON)
    assert 1 <= only.polls <= len(at)
    assert (only.open, only.close) == ("60000", "60000")


async def test_what_is_not_priced_is_said_to_be_and_a_quiet_span_is_empty(db: Database) -> None:
    await polled(db, {NOON: "60000"})
    assert await history(db, NOON, since=NOON - timedelta(days=2), until=NOON - timedelta(days=1)) == []
    with pytest.raises(NotPriced):
        await history(db, NOON, asset="ETH")
    with pytest.raises(NotPriced):
        await history(db, NOON, currency="CZK")


@pytest.mark.parametrize("step", Step)
async def test_a_span_is_bounded(db: Database, step: Step) -> None:
    await polled(db, {NOON: "60000"})
    longest = NOON - MOST * step.length
    assert await history(db, NOON, step=step.value, since=longest, until=NOON) is not None
    for since, until in ((longest - timedelta(seconds=1), NOON), (NOON, NOON), (NOON, NOON - timedelta(seconds=1))):
        with pytest.raises(Invalid):
            await history(db, NOON, step=step.value, since=since, until=until)


async def test_what_is_old_goes_batch_by_batch_and_what_is_not_stays(db: Database) -> None:
    now, week = SystemClock().now(), 7 * 24 * 60
    await polled(db, {now - timedelta(days=days): "60000" for days in (1100, 1000, 8, 6, 3, 1)})
    assert tuple((await db.run(TICKS))[0]) == (6, 12)
    await db.run(MANY, from_=week + 5, to_=week + 4 + 2 * BATCH)
    ticks, minutes, hours = 5, 3 + 2 * BATCH, 1
    assert await prune_prices(using=PostgresPriceHistory(db)) == ticks + minutes + hours
    assert tuple((await db.run(TICKS))[0]) == (1, 8)
    assert await prune_prices(using=PostgresPriceHistory(db)) == 0
