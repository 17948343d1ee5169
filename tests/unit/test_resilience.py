"""The guard around outside calls: what is tried again, what is refused at once, what passes through."""

import asyncio

import pytest

from shared.adapters.resilience import Breaker, Guard, Limits, Outage, pause_s

QUICK = Limits(timeout_s=1.0, attempts=3, first_pause_s=0.001, longest_pause_s=0.002, failures=4, open_s=60.0)


class Answers:
    """A target that answers or raises what it is told, in turn."""

    def __init__(self, *said: object) -> None:
        self.said = list(said)
        self.calls = 0

    async def __call__(self) -> object:
        self.calls += 1
        said = self.said.pop(0)
        if isinstance(said, Exception):
            raise said
        return said


async def test_an_outage_is_tried_again_until_it_is_answered() -> None:
    target = Answers(OSError(), OSError(), "fine")
    assert await Guard("t1", QUICK).call(target) == "fine"
    assert target.calls == 3


async def test_after_the_last_attempt_it_is_an_outage() -> None:
    target = Answers(OSError(), OSError(), OSError())
    with pytest.raises(Outage):
        await Guard("t2", QUICK).call(target)


async def test_an_answer_that_is_an_error_passes_through_and_is_no_outage() -> None:
    guard, target = Guard("t3", QUICK), Answers(*[ValueError("refused")] * 10)
    for _ in range(10):
        with pytest.raises(ValueError, match="refused"):
            await guard.call(target)
    assert not guard.open


async def test_too_many_failures_open_the_breaker_and_nothing_more_is_asked() -> None:
    guard, target = Guard("t4", QUICK), Answers(*[OSError()] * 10)
    for _ in range(2):
        with pytest.raises(Outage):
            await guard.call(target)
    assert guard.open
    calls = target.calls
    with pytest.raises(Outage):
        await guard.call(target)
    assert target.calls == calls == 4


async def test_a_target_that_hangs_is_an_outage() -> None:
    async def hanging() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Outage):
        await Guard("t5", Limits(timeout_s=0.01)).call(hanging)


async def test_no_more_calls_at_once_than_the_bulkhead_has_places() -> None:
    running = most = 0

    async def call() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    guard = Guard("t6", Limits(timeout_s=5.0, concurrent=3))
    await asyncio.gather(*(guard.call(call) for _ in range(20)))
    assert most == 3


def test_an_open_breaker_lets_one_call_try_after_its_pause_and_closes_on_success() -> None:
    now = 0.0
    breaker = Breaker(2, 10.0, clock=lambda: now)
    breaker.failed()
    assert breaker.admits()
    breaker.failed()
    assert breaker.open
    assert not breaker.admits()
    now = 13.0
    assert breaker.admits()
    assert not breaker.admits()
    breaker.succeeded()
    assert breaker.admits()
    assert not breaker.open


def test_pauses_grow_and_never_pass_their_bound() -> None:
    for attempt in range(1, 60):
        pause = pause_s(attempt, first_s=0.1, longest_s=2.0)
        bound = min(2.0, 0.1 * 2 ** (attempt - 1))
        assert bound / 4 <= pause <= bound
