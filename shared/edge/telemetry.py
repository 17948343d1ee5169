"""One call as it is seen from outside: its trace, its correlation, one JSON log line, its place in the metrics.

A line is encoded at the end of the call and written a few milliseconds later by a thread of its own, many at a time:
a call never waits for whoever reads the log. LOG_LEVEL (info, warning, error) says which calls get a line.
"""

import atexit
import os
import random
import re
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from shared.kernel.encoding import plain

_TRACEPARENT = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\Z")
_CORRELATION = re.compile(rb"[A-Za-z0-9_.-]{8,64}\Z")
_NO_TRACE: Final = b"0" * 32
_NO_SPAN: Final = b"0" * 16
BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram, in seconds."""
_LEVELS: Final = {"debug": 0, "info": 1, "warning": 2, "error": 3, "off": 4}
_FLUSH_S: Final = 0.02
_MAX_LINES: Final = 20_000


class Line(msgspec.Struct, omit_defaults=True, gc=False):
    """What a log line may say. A field that is not here is not logged: no addresses, e-mails, codes or keys."""

    severity: str
    time: datetime
    function: str
    outcome: str
    ms: float
    trace: str
    correlation: str = ""
    status: int = 0
    problem: str = ""
    actor: str = ""
    merchant: str = ""
    ids: tuple[str, ...] = ()
    event: str = ""
    region: str = ""
    error: str = ""
    detail: str = ""
    frames: tuple[str, ...] = ()


class Meter:
    """Rate, errors and duration of one function; read by `shared/edge/metrics.py` when Prometheus asks."""

    __slots__ = ("calls", "in_flight", "operation", "sum_s", "times")

    def __init__(self, operation: str) -> None:
        self.operation = operation
        self.calls: dict[tuple[str, str], int] = {}
        self.times = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0
        self.in_flight = 0


class _Traces:
    """Trace ids that nobody else makes: a random half for this process, and a random number that steps through 2^64."""

    STEP: Final = (
        0x9E3779B97F4A7C15  # odd, so that every number comes once; large, so that neighbours differ throughout
    )

    def __init__(self) -> None:
        self.seed()
        os.register_at_fork(after_in_child=self.seed)

    def seed(self) -> None:
        """Begin anew: a forked process must not go on where its parent is."""
        self._half, self._next = f"{random.getrandbits(64) or 1:016x}", random.getrandbits(64)

    def __call__(self) -> str:
        """Return 32 hexadecimal digits."""
        self._next = (self._next + self.STEP) & 0xFFFFFFFFFFFFFFFF
        return f"{self._half}{self._next:016x}"


fresh_trace: Final = _Traces()

METERS: dict[str, Meter] = {}
"""The meters of this process, by function."""


def meter_of(operation: str) -> Meter:
    """Return the meter of a function."""
    return METERS.setdefault(operation, Meter(operation))


class Call:
    """One call, from its first header to its answer."""

    __slots__ = (
        "_flags",
        "_span_id",
        "actor",
        "correlation",
        "event",
        "headers",
        "ids",
        "merchant",
        "meter",
        "parent_id",
        "problem",
        "started",
        "started_ns",
        "trace_id",
    )

    def __init__(self, meter: Meter, headers: dict[bytes, bytes]) -> None:
        """Continue the caller's trace, or begin one. The correlation is the caller's, or the trace."""
        self.started = time.perf_counter()
        self.headers = headers
        self.meter = meter
        meter.in_flight += 1
        self._span_id = ""
        self.actor = self.merchant = self.event = self.problem = self.parent_id = ""
        self.ids: tuple[str, ...] = ()
        self._flags = "01"
        self.trace_id = ""
        self.started_ns = time.time_ns() if EXPORT.span is not None else 0
        traceparent, correlation = headers.get(b"traceparent"), headers.get(b"correlation-id")
        if traceparent is not None:
            self.continue_from(traceparent)
        if not self.trace_id:
            self.trace_id = fresh_trace()
        self.correlation = self.trace_id
        if correlation is not None:
            self.correlate(correlation)

    def continue_from(self, traceparent: bytes) -> None:
        """Join the trace that a W3C traceparent names; one that is malformed is ignored, as the specification says."""
        found = _TRACEPARENT.match(traceparent)
        if found and found[1] != _NO_TRACE and found[2] != _NO_SPAN:
            self.trace_id, self.parent_id, self._flags = found[1].decode(), found[2].decode(), found[3].decode()

    def correlate(self, correlation: bytes) -> None:
        """Go by this correlation, when it is one: it is logged, and sent back as a header."""
        if _CORRELATION.match(correlation):
            self.correlation = correlation.decode()

    @property
    def span_id(self) -> str:
        """Return the id of this call's span, 16 hexadecimal digits."""
        if not self._span_id:
            self._span_id = f"{random.getrandbits(64) or 1:016x}"
        return self._span_id

    @property
    def traceparent(self) -> str:
        """Return what is passed on, so that whatever follows is a child of this call."""
        return f"00-{self.trace_id}-{self.span_id}-{self._flags}"

    @property
    def sampled(self) -> bool:
        """Return whether the trace is one that is kept."""
        return bool(int(self._flags, 16) & 1)

    def end(self, status: int, error: BaseException | None = None, *, region: str = "", detail: str = "") -> None:
        """Count the call and log it: `refused` below 500, `failed` from there on."""
        took = time.perf_counter() - self.started
        outcome = "ok" if status < 400 else "refused" if status < 500 else "failed"
        meter = self.meter
        meter.in_flight -= 1
        key = (outcome, self.problem)
        meter.calls[key] = meter.calls.get(key, 0) + 1
        meter.times[bisect_left(BOUNDS_S, took)] += 1
        meter.sum_s += took
        level = 1 if status < 500 else 3
        if level >= LOG.level:
            LOG.write(self._line(level, outcome, took, status, error, region, detail))
        if EXPORT.span is not None:
            EXPORT.span(self, status)

    def _line(
        self, level: int, outcome: str, took: float, status: int, error: BaseException | None, region: str, detail: str
    ) -> Line:
        line = Line(
            severity="INFO" if level == 1 else "ERROR",
            time=datetime.now(UTC),
            function=self.meter.operation,
            outcome=outcome,
            ms=int(took * 1e6) / 1e3,
            trace=self.trace_id,
            correlation=self.correlation,
            status=status,
            problem=self.problem,
            actor=self.actor,
            merchant=self.merchant,
            ids=self.ids,
            event=self.event,
            region=region,
        )
        if error is not None:
            from shared.edge.problem import frames_of

            line.error, line.detail, line.frames = type(error).__name__, detail, tuple(frames_of(error))
        return line


class Export:
    """Where finished calls go as OpenTelemetry spans; nowhere until `shared/edge/tracing.py` says where."""

    span: Callable[[Call, int], None] | None = None


EXPORT = Export()


class Log:
    """Lines on their way to a file descriptor, written by a thread that sleeps while there are none."""

    def __init__(self, descriptor: int, level: int) -> None:
        self.descriptor = descriptor
        self.level = level
        self._lines: deque[msgspec.Struct] = deque(maxlen=_MAX_LINES)
        self._encoder = msgspec.json.Encoder(enc_hook=plain)
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        """Begin without a thread: there is none yet, or it stayed behind in the parent of a fork."""
        self._wake = threading.Event()
        self._gather = threading.Event()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._lines.clear()

    def write(self, line: msgspec.Struct) -> None:
        """Take a line; it is on disk or in the pipe some milliseconds later, or at the latest when the process ends."""
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()
            if self._thread is None or not self._thread.is_alive():
                self._start()

    def flush(self) -> None:
        """Write what waits, in the calling thread."""
        with self._writing:
            waiting = len(self._lines)
            if waiting:
                unwritten = self._encoder.encode_lines([self._lines.popleft() for _ in range(waiting)])
                while unwritten:
                    unwritten = unwritten[os.write(self.descriptor, unwritten) :]

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._gather.wait(_FLUSH_S)  # never set: lets lines gather, so that one system call writes all of them
            self._wake.clear()
            try:
                self.flush()
            except OSError:
                return  # nobody reads any more; the next line tries again


LOG = Log(1, _LEVELS.get(os.environ.get("LOG_LEVEL", "info").lower(), 1))
atexit.register(LOG.flush)
