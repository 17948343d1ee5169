"""The ticker against a real HTTP server: periods, no overlap with itself, failures, an orderly end."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.responses import Response

from tests.integration.function_server import FunctionServer
from tests.waiting import until
from triggers.calling import Caller
from triggers.registry import Entry
from triggers.ticker import Ticker

EVERY_SECOND = Entry("expire_payments", "payments", "schedule", every_s=1)


@pytest.fixture
async def server() -> AsyncIterator[FunctionServer]:
    async with FunctionServer().serving() as server:
        yield server


@asynccontextmanager
async def ticking(server: FunctionServer, *entries: Entry) -> AsyncIterator[None]:
    caller = Caller(server.url, lambda: "a.token.here", timeout_s=5.0)
    stop = asyncio.Event()
    running = asyncio.create_task(Ticker(entries, caller, longest_first_wait_s=0.05).run(stop))
    yield
    stop.set()
    async with asyncio.timeout(10):
        await running
    await caller.close()


async def test_a_function_is_called_once_a_period_with_the_schedulers_identity(server: FunctionServer) -> None:
    started = time.monotonic()
    async with ticking(server, EVERY_SECOND):
        await until(lambda: len(server.calls) == 3, "three ticks")
    assert 1.8 < time.monotonic() - started < 4
    assert server.calls[0].headers["authorization"] == "Bearer a.token.here"
    assert server.calls[0].operation == "expire_payments"


async def test_a_function_slower_than_its_period_never_runs_twice_at_once(server: FunctionServer) -> None:
    server.slow_s = 1.3
    started = time.monotonic()
    async with ticking(server, EVERY_SECOND):
        await until(lambda: len(server.calls) == 3, "three ticks")
    assert time.monotonic() - started > 3.8  # the periods that the calls overran are left out, not caught up
    assert server.most_running == 1


async def test_a_slow_function_does_not_keep_another_from_its_period(server: FunctionServer) -> None:
    server.slow_s = 1.5
    async with ticking(server, EVERY_SECOND, Entry("poll_prices", "prices", "schedule", every_s=1)):
        await until(lambda: server.most_running == 2, "both run side by side")


async def test_a_failing_function_is_called_again_next_period(server: FunctionServer) -> None:
    server.answer = lambda call: Response(status_code=500 if call.before < 2 else 204)
    async with ticking(server, EVERY_SECOND):
        await until(lambda: len(server.calls) == 3, "three ticks")


async def test_a_function_that_can_not_be_reached_is_called_again_next_period(server: FunctionServer) -> None:
    port, server.port = server.port, 1
    async with ticking(server, EVERY_SECOND):
        await asyncio.sleep(0)
        server.port = port
        await until(lambda: len(server.calls) == 1, "it is called once it is there")


async def test_a_ticker_without_schedules_ends_when_asked(server: FunctionServer) -> None:
    async with ticking(server):
        await asyncio.sleep(0)
    assert server.calls == []
