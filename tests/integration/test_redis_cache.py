"""What only the cache over Redis does: outages are misses, loads are shared, memory is bounded."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from emulators.component import free_port
from shared.adapters.redis.cache import Nearby, RedisCache, Version, Versioned
from shared.adapters.redis.client import connect
from shared.settings import RedisSettings
from tests.waiting import until

ONE = Version(1, 1)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    client = connect(RedisSettings(redis_url))
    yield client
    await client.aclose()


async def test_a_dead_redis_is_a_miss_and_soon_not_even_asked() -> None:
    settings = RedisSettings(f"redis://127.0.0.1:{free_port()}/0")
    client = connect(settings)
    cache = RedisCache(client, settings)
    for _ in range(6):
        assert await cache.get("menu") is None
        assert not await cache.put("menu", ONE, b"x", 60)
        await cache.invalidate("menu", ONE)
    assert cache._guard.open
    assert await cache.through("menu", lambda: _loaded(b"from postgres"), 60) == b"from postgres"
    await client.aclose()


async def test_a_redis_that_hangs_costs_a_timeout_not_more() -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = RedisSettings(f"redis://127.0.0.1:{port}/0", timeout_s=0.05)
    client = connect(settings)
    async with asyncio.timeout(2):
        assert await RedisCache(client, settings).get("menu") is None
    await client.aclose()
    server.close()


async def test_many_callers_of_a_missing_key_load_it_once(client: redis.asyncio.Redis, redis_url: str) -> None:
    cache = RedisCache(client, RedisSettings(redis_url))
    loads = 0

    async def load() -> Versioned:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0)
        return Versioned(ONE, b"menu")

    bodies = await asyncio.gather(*(cache.through("menu", load, 60) for _ in range(50)))
    assert set(bodies) == {b"menu"}
    assert loads == 1


async def test_a_failed_load_reaches_every_caller_and_is_tried_again(
    client: redis.asyncio.Redis, redis_url: str
) -> None:
    cache = RedisCache(client, RedisSettings(redis_url))

    async def failing() -> Versioned:
        raise ValueError("no such menu")

    told = await asyncio.gather(*(cache.through("menu", failing, 60) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(one, ValueError) for one in told)
    assert await cache.through("menu", lambda: _loaded(b"now"), 60) == b"now"


async def test_a_value_of_redis_expires(client: redis.asyncio.Redis, redis_url: str) -> None:
    cache = RedisCache(client, RedisSettings(redis_url), nearby_s=0.0)
    await cache.put("price", ONE, b"42", 0.05)

    async def gone() -> bool:
        return await cache.get("price") is None

    await until(gone, "the price expired")


def test_the_process_keeps_a_bounded_number_of_values_for_seconds() -> None:
    now = 100.0
    nearby = Nearby(seconds=2.0, entries=2, clock=lambda: now)
    for key in ("a", "b", "c"):
        nearby.put(key, Versioned(ONE, key.encode()))
    assert nearby.get("a") is None
    assert nearby.get("c") == Versioned(ONE, b"c")
    now = 103.0
    assert nearby.get("c") is None


async def _loaded(body: bytes) -> Versioned:
    return Versioned(ONE, body)
