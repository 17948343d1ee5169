"""What every versioned cache does, the dict and the one over Valkey alike."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from shared.adapters.redis.cache import Cache, RedisCache, Version
from shared.adapters.redis.client import connect
from shared.settings import RedisSettings
from tests.contracts.memory_cache import MemoryCache
from tests.waiting import until


@pytest.fixture(params=["dict", "valkey", "valkey behind process"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    if request.param == "dict":
        yield MemoryCache()
        return
    settings = RedisSettings(request.getfixturevalue("redis_url"))
    client = connect(settings)
    yield RedisCache(client, settings, nearby_s=60.0 if "process" in request.param else 0.0)
    await client.aclose()


def at(number: int, generation: int = 1) -> Version:
    return Version(generation, number)


async def test_a_value_comes_back_as_the_bytes_that_were_put(cache: Cache) -> None:
    body = bytes(range(256)) + b"\n"
    assert await cache.get("menu") is None
    assert await cache.put("menu", at(1), body, 60)
    assert await cache.get("menu") == body


async def test_an_older_value_never_replaces_a_newer_one(cache: Cache) -> None:
    await cache.put("menu", at(9), b"new", 60)
    assert not await cache.put("menu", at(8), b"old", 60)
    assert await cache.get("menu") == b"new"


async def test_a_value_of_the_same_version_is_refreshed(cache: Cache) -> None:
    await cache.put("menu", at(9), b"once", 60)
    assert await cache.put("menu", at(9), b"again", 60)
    assert await cache.get("menu") == b"again"


async def test_an_invalidated_value_is_gone_and_a_slow_refill_does_not_bring_it_back(cache: Cache) -> None:
    await cache.put("menu", at(1), b"old", 60)
    await cache.invalidate("menu", at(2))
    assert await cache.get("menu") is None
    assert not await cache.put("menu", at(1), b"old", 60)
    assert await cache.get("menu") is None
    assert await cache.put("menu", at(2), b"new", 60)
    assert await cache.get("menu") == b"new"


async def test_a_late_invalidation_does_not_drop_a_newer_value(cache: Cache) -> None:
    await cache.put("menu", at(3), b"new", 60)
    await cache.invalidate("menu", at(2))
    await cache.invalidate("menu", at(3))
    assert await cache.get("menu") == b"new"


async def test_a_newer_generation_wins_over_any_version_of_an_older_one(cache: Cache) -> None:
    await cache.put("menu", at(7_000_000_000_000, generation=1), b"lost", 60)
    assert await cache.put("menu", at(1, generation=2), b"promoted", 60)
    assert not await cache.put("menu", at(7_000_000_000_001, generation=1), b"lost", 60)
    assert await cache.get("menu") == b"promoted"


async def test_a_reader_who_wrote_is_not_given_what_lies_before_the_write(cache: Cache) -> None:
    await cache.put("order", at(4), b"placed", 60)
    assert await cache.get("order", at_least=at(4)) == b"placed"
    assert await cache.get("order", at_least=at(5)) is None
    assert await cache.get("order", at_least=at(1, generation=2)) is None


async def test_under_any_interleaving_the_newest_version_stays(cache: Cache) -> None:
    versions = [at(number) for number in range(1, 30)]
    shuffled = random.Random(7).sample(versions, len(versions))
    await asyncio.gather(
        *(cache.put("hot", version, str(version.number).encode(), 60) for version in shuffled),
        *(cache.invalidate("hot", version) for version in shuffled),
    )
    held = await cache.get("hot", at_least=at(29))
    assert held in (b"29", None)
    assert not await cache.put("hot", at(28), b"28", 60)


async def test_the_newest_version_is_told_of_values_and_tombstones(cache: Cache) -> None:
    assert await cache.newest("menu") is None
    await cache.put("menu", at(3), b"new", 60)
    assert await cache.newest("menu") == at(3)
    await cache.invalidate("menu", at(4, generation=2))
    assert await cache.newest("menu") == at(4, generation=2)


async def test_of_many_one_makes_a_value_anew_until_it_is_done_or_its_time_is_over(cache: Cache) -> None:
    assert sum(await asyncio.gather(*(cache.claim("menu", 60) for _ in range(20)))) == 1
    assert await cache.claim("another", 60)
    await cache.free("menu")
    assert await cache.claim("menu", 0.02)
    await until(lambda: cache.claim("menu", 60), "the claim to end by itself")
    assert await cache.get("menu") is None
