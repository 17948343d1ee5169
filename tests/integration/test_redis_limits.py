"""Rate limits on a real Valkey: bursts, refill, and that a dead one lets everybody through."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from emulators.component import free_port
from shared.adapters.redis.client import connect
from shared.adapters.redis.limits import Rate, RedisLimits
from shared.settings import RedisSettings


@pytest.fixture
async def limits(redis_url: str) -> AsyncIterator[RedisLimits]:
    settings = RedisSettings(redis_url)
    client = connect(settings)
    yield RedisLimits(client, settings)
    await client.aclose()


async def test_a_burst_passes_and_the_next_call_is_told_how_long_to_wait(limits: RedisLimits) -> None:
    rate = Rate("orders", calls=60, period_s=60, burst=5)
    told = [await limits.take(rate, "usr_1") for _ in range(6)]
    assert told[:5] == [None] * 5
    assert told[5] is not None
    assert 0 < told[5] <= 1
    assert await limits.take(rate, "usr_2") is None


async def test_after_the_wait_one_call_passes_again(limits: RedisLimits) -> None:
    rate = Rate("orders", calls=20, period_s=1, burst=1)
    assert await limits.take(rate, "usr_1") is None
    started = time.monotonic()
    async with asyncio.timeout(5):
        while (wait_s := await limits.take(rate, "usr_1")) is not None:
            assert wait_s <= 0.051
            await asyncio.sleep(0.005)
    assert time.monotonic() - started > 0.03


async def test_of_many_at_once_exactly_the_burst_passes(limits: RedisLimits) -> None:
    rate = Rate("orders", calls=1, period_s=60, burst=7)
    told = await asyncio.gather(*(limits.take(rate, "usr_1") for _ in range(30)))
    assert told.count(None) == 7


async def test_a_dead_redis_lets_everybody_through() -> None:
    settings = RedisSettings(f"redis://127.0.0.1:{free_port()}/0")
    client = connect(settings)
    limits = RedisLimits(client, settings)
    rate = Rate("orders", calls=1, period_s=60, burst=1)
    assert [await limits.take(rate, "usr_1") for _ in range(5)] == [None] * 5
    await client.aclose()
