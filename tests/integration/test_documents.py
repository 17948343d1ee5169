"""Documents that many read, over a real Valkey: one process builds for all, and an old one never comes back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from emulators.component import free_port
from shared.adapters.kept import Kept
from shared.adapters.redis.cache import RedisCache
from shared.adapters.redis.client import connect
from shared.adapters.redis.documents import LONGER, CachedDocuments
from shared.kernel.documents import Document
from shared.kernel.errors import NotFound
from shared.kernel.reply import Encoded
from shared.settings import RedisSettings
from tests.integration.ordering import FixedClock
from tests.waiting import until

LIVE = timedelta(seconds=10)


class Source:
    """What documents are built from: a version, and how often it was asked; it can be made to wait."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.version = 1
        self.builds = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def build(self, id: str) -> Document[str]:
        self.builds += 1
        if not self.version:
            raise NotFound("There is no such thing.")
        version, until = self.version, self.clock.now() + LIVE
        await asyncio.sleep(0)
        await self.gate.wait()
        return Document(version=version, etag=f"{version}", body=Encoded(b"%d" % version), until=until)


class Region:
    """Some processes that share one Redis and one source."""

    def __init__(self, url: str, processes: int = 5, kept_s: float = 0.0) -> None:
        self.clock = FixedClock()
        self.source = Source(self.clock)
        self.client = connect(RedisSettings(url))
        self.processes = [
            CachedDocuments(
                RedisCache(self.client, RedisSettings(url), nearby_s=0.0, nearby_entries=1),
                "test",
                self.source.build,
                clock=self.clock,
                kept_s=kept_s,
            )
            for _ in range(processes)
        ]

    async def read(self, process: int = 0) -> int:
        return (await self.processes[process % len(self.processes)].of("menu")).version

    async def crowd(self, readers: int = 100) -> list[int]:
        return await asyncio.gather(*(self.read(number) for number in range(readers)))


@pytest.fixture
async def region(redis_url: str) -> AsyncIterator[Region]:
    region = Region(redis_url)
    yield region
    await region.client.aclose()


async def test_a_crowd_in_many_processes_has_it_built_once(region: Region) -> None:
    assert set(await region.crowd()) == {1}
    assert region.source.builds == 1
    region.clock.at += LIVE
    assert set(await region.crowd()) == {1}
    assert region.source.builds == 2
    region.source.version = 2
    await region.processes[0].invalidate("menu", 2)
    assert set(await region.crowd()) == {2}
    assert region.source.builds == 3


async def test_while_one_builds_the_others_show_the_old_one_but_not_for_long(region: Region) -> None:
    await region.read()
    region.clock.at += LIVE
    region.source.gate.clear()
    region.source.version = 2
    builder = asyncio.ensure_future(region.read(0))
    await until(lambda: region.source.builds == 2, "the second build to begin")
    assert await region.read(1) == 1
    region.clock.at += LONGER
    waiting = asyncio.ensure_future(region.read(2))
    region.source.gate.set()
    assert {*await asyncio.gather(builder, waiting)} == {2}


async def test_what_was_built_before_a_change_is_neither_shown_nor_kept_after_it(redis_url: str) -> None:
    """The builder read version 1 and is slow; meanwhile version 2 is made known. Nobody sees version 1 from then on."""
    region = Region(redis_url, kept_s=60.0)
    region.source.gate.clear()
    slow = asyncio.ensure_future(region.read(0))
    await until(lambda: region.source.builds == 1, "the build to begin")
    region.source.version = 2
    for process in region.processes:
        await process.invalidate("menu", 2)
    later = [asyncio.ensure_future(region.read(number)) for number in range(10)]
    region.source.gate.set()
    assert set(await asyncio.gather(*later)) == {2}
    assert await slow == 2, "it was built anew when the cache refused it"
    assert set(await region.crowd()) == {2}
    await region.client.aclose()


async def test_no_process_ever_shows_an_older_version_after_a_newer_one(region: Region) -> None:
    """Changes, readers in every process, and events that come late, twice and out of order."""
    chance, seen = random.Random(11), [0] * len(region.processes)

    async def change() -> None:
        for version in range(2, 30):
            region.source.version = version
            for told in chance.sample(range(max(1, version - 3), version + 1), 2):
                await chance.choice(region.processes).invalidate("menu", told)
            if chance.random() < 0.2:
                region.clock.at += LIVE
            await asyncio.sleep(0)

    async def reads(process: int) -> None:
        for _ in range(60):
            version = await region.read(process)
            assert version >= seen[process]
            seen[process] = version
            await asyncio.sleep(0)

    await asyncio.gather(change(), *(reads(number) for number in range(len(region.processes))))
    await region.processes[0].invalidate("menu", 29)
    assert set(await region.crowd()) == {29}


async def test_what_is_not_there_is_asked_for_by_everybody_and_nobody_waits_for_it(region: Region) -> None:
    region.source.version = 0
    for outcome in await asyncio.gather(*(region.read(number) for number in range(5)), return_exceptions=True):
        assert isinstance(outcome, NotFound)
    region.source.version = 1
    assert await region.read() == 1


async def test_a_builder_that_is_lost_is_not_waited_for(region: Region) -> None:
    claimed = RedisCache(region.client, RedisSettings(""), nearby_s=0.0, nearby_entries=1)
    assert await claimed.claim("test:menu", 60)
    assert await region.read() == 1


async def test_while_the_cache_is_down_each_process_builds_for_itself() -> None:
    region = Region(f"redis://127.0.0.1:{free_port()}/0", processes=2)
    assert set(await region.crowd(10)) == {1}
    assert region.source.builds <= 10
    assert not await region.processes[0].warm("menu", ahead=-LIVE) or region.source.builds
    await region.client.aclose()


async def test_a_warmed_document_is_built_before_it_is_out_of_date(region: Region) -> None:
    one, other = region.processes[:2]
    assert await one.warm("menu", ahead=LIVE / 2)
    assert not await other.warm("menu", ahead=LIVE / 2)
    assert (await region.read(), region.source.builds) == (1, 1)
    region.clock.at += LIVE / 2
    assert await other.warm("menu", ahead=LIVE / 2)
    assert not await one.warm("menu", ahead=LIVE / 2)
    region.clock.at += LIVE / 2
    assert (await region.read(), region.source.builds) == (1, 2)


async def test_what_is_being_loaded_when_it_is_forgotten_is_not_kept() -> None:
    source, gate = iter(range(1, 10)), asyncio.Event()

    async def load(key: str) -> int:
        number = next(source)
        await gate.wait()
        return number

    kept = Kept(load, ttl_s=60.0, size=10)
    early = asyncio.ensure_future(kept.get("a"))
    await asyncio.sleep(0)
    kept.forget("a")
    late = asyncio.ensure_future(kept.get("a"))
    await asyncio.sleep(0)
    gate.set()
    assert (await early, await late) == (1, 2)
    assert await kept.get("a") == 2
