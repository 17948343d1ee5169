"""Rate limits: what a process allows by itself, and what it settles with its region."""

import asyncio

import pytest

from shared.edge.limits import LEASES_PER_MINUTE, MAX_CALLERS, Limits
from shared.edge.request import address_of


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_calls_up_to_the_limit_go_on() -> None:
    clock = Clock()
    limits = Limits(3, clock=clock)
    assert [limits.allow("a", "f") for _ in range(3)] == [None, None, None]
    clock.now += 20.5
    assert limits.allow("a", "f") == 40
    assert limits.allow("b", "f") is None
    assert limits.allow("a", "g") is None
    clock.now += 39.5
    assert limits.allow("a", "f") is None


def test_no_limit_is_no_limit() -> None:
    limits = Limits(0)
    assert all(limits.allow("a", "f") is None for _ in range(10_000))


async def test_a_region_that_refuses_a_lease_is_obeyed() -> None:
    clock, asked = Clock(), []

    async def settle(caller: str, operation: str, leases: int) -> float | None:
        asked.append((caller, operation, leases))
        return 12.3 if len(asked) > 1 else None

    limits = Limits(500, settle, clock=clock)
    lease = 500 // LEASES_PER_MINUTE
    for _ in range(lease * 2):
        assert limits.allow("a", "f") is None
    await asyncio.gather(*limits._settling)
    assert asked == [("a", "f", LEASES_PER_MINUTE)] * 2
    assert limits.allow("a", "f") == 13
    clock.now += 12.4
    assert limits.allow("a", "f") is None


async def test_a_call_does_not_wait_for_the_region() -> None:
    hangs = asyncio.Event()

    async def settle(caller: str, operation: str, leases: int) -> float | None:
        await hangs.wait()
        return None

    limits = Limits(50, settle)
    assert [limits.allow("a", "f") for _ in range(50)] == [None] * 50
    hangs.set()
    await asyncio.gather(*limits._settling)


def test_memory_is_bounded() -> None:
    limits = Limits(1)
    for number in range(MAX_CALLERS + 10):
        limits.allow(str(number), "f")
    assert len(limits._counts) == MAX_CALLERS


@pytest.mark.parametrize(
    ("hops", "lines", "seen"),
    [
        (0, [b"9.9.9.9"], "192.0.2.1"),
        (1, [], "192.0.2.1"),
        (1, [b""], "192.0.2.1"),
        (1, [b"9.9.9.9, 198.51.100.7"], "198.51.100.7"),
        (1, [b"9.9.9.9", b"198.51.100.7"], "198.51.100.7"),
        (2, [b"9.9.9.9", b"198.51.100.7, 203.0.113.1"], "198.51.100.7"),
        (2, [b"203.0.113.1"], "203.0.113.1"),
    ],
)
def test_a_caller_has_the_address_that_the_outermost_proxy_saw(hops: int, lines: list[bytes], seen: str) -> None:
    headers = [(b"host", b"x"), *((b"x-forwarded-for", line) for line in lines)]
    assert address_of({"client": ("192.0.2.1", 1), "headers": headers}, hops) == seen
