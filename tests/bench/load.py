"""A load generator that is never the slowest part: HTTP/1.1 on kept-alive connections, each waiting for its answer.

It reads of an answer the status and the length, nothing more, and counts how much of its own core it used: a
measurement in which it used nearly all of it would be one of the generator, and is refused.
"""

import asyncio
import gc
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, cast

import uvloop

from tests.bench.row import VALUE, BenchFailed, Readings

CLIENTS: Final = 64
_LEAD_IN_S: Final = 0.3
_ANSWER_S: Final = 10.0
_BUSIEST: Final = 0.9
_LENGTH: Final = b"content-length: "


@dataclass
class _Run:
    requests: Iterator[bytes]
    latencies_s: "array[float]" = field(default_factory=lambda: array("d"))
    counting: bool = False
    wrong: str = ""
    open: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the first answer: a server that has just started may open much before it."""
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when no further request is sent: time is over, or something went wrong."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when every connection is closed again."""


class _Client(asyncio.Protocol):
    """One connection with one request under way."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._partial = b""
        self._sent = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._run.open += 1
        self._next()

    def _next(self) -> None:
        if self._run.ending.is_set():
            self._transport.close()
            return
        request = next(self._run.requests)
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._partial:
            data = self._partial + data
        head_end = data.find(b"\r\n\r\n")
        length_at = data.find(_LENGTH)
        if head_end < 0 or length_at < 0:
            self._partial = data
            return
        length_at += len(_LENGTH)
        if len(data) < head_end + 4 + int(data[length_at : data.find(b"\r", length_at)]):
            self._partial = data
            return
        self._partial = b""
        if self._run.counting:
            self._run.latencies_s.append(time.perf_counter() - self._sent)
        else:
            self._run.begun.set()
        if data[9:10] != b"2":
            self._fail(data.decode(errors="replace"))
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._run.ending.is_set():
            self._fail(f"the connection was closed: {error}")
        self._run.open -= 1
        if not self._run.open:
            self._run.answered.set()

    def _fail(self, why: str) -> None:
        self._run.wrong = self._run.wrong or why
        self._run.begun.set()
        self._run.ending.set()


def load(port: int, requests: Iterator[bytes], seconds: float, *, clients: int = CLIENTS) -> Readings:
    """Return requests a second, and the latencies that clients saw. Raises BenchFailed for any answer but 2xx."""
    gc.collect()
    gc.disable()
    try:
        return uvloop.run(_load(port, requests, seconds, clients))
    finally:
        gc.enable()


async def _load(port: int, requests: Iterator[bytes], seconds: float, clients: int) -> Readings:
    run = _Run(requests)
    loop = asyncio.get_running_loop()
    for _ in range(clients):
        await loop.create_connection(lambda: _Client(run), "127.0.0.1", port)
    await _within(run.begun, _ANSWER_S)
    await _within(run.ending, _LEAD_IN_S)
    run.counting, began, used = True, time.perf_counter(), time.process_time()
    await _within(run.ending, seconds)
    run.counting, took, used = False, time.perf_counter() - began, time.process_time() - used
    run.ending.set()
    await _within(run.answered, _ANSWER_S)
    if run.wrong:
        raise BenchFailed(f"port {port} answered: {run.wrong[:600]}")
    if run.open or not run.latencies_s:
        raise BenchFailed(f"port {port} gave {len(run.latencies_s)} answers and left {run.open} requests unanswered")
    if used / took > _BUSIEST:
        raise BenchFailed(f"the load generator used {used / took:.0%} of its core: it would measure itself")
    return {**percentiles_ms(run.latencies_s), VALUE: len(run.latencies_s) / took, "generator_core": used / took}


async def _within(event: asyncio.Event, seconds: float) -> None:
    """Let time pass, at most until the event is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def percentiles_ms(latencies_s: Sequence[float], *, value: int = 99) -> dict[str, float]:
    """Return the 50th, 95th and 99th percentile in milliseconds; one of them is the reading `value`."""
    ordered = sorted(latencies_s)
    at = {p: ordered[min(len(ordered) - 1, len(ordered) * p // 100)] * 1000 for p in (50, 95, 99)}
    return {VALUE: at[value], **{f"p{p}_ms": ms for p, ms in at.items()}}


def get(path: str, headers: str = "") -> bytes:
    """Return a GET request."""
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}\r\n".encode()
