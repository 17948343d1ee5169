"""What is seen of a call: its log line, its metrics, its span."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from shared.edge import tracing
from shared.edge.metrics import exposition
from shared.edge.telemetry import EXPORT, LOG, METERS, Call, Line, Log, meter_of
from shared.kernel.errors import Bug, Conflict
from tests.unit.edge_does import DOES, SEEN
from tests.unit.edge_kit import EVENT, GATEWAY, MERCHANT, SHOP, USER, client, customer, dispatcher, placed

ORDER = "ord_" + "9" * 32


@pytest.fixture(autouse=True)
def fresh() -> None:
    DOES.clear()
    SEEN.clear()
    GATEWAY.__init__()  # type: ignore[misc]  # the functions hold this very gateway


@contextmanager
def logged(path: Path) -> Iterator[list[dict[str, object]]]:
    """Collect the lines that are logged meanwhile."""
    lines: list[dict[str, object]] = []
    before, level = LOG.descriptor, LOG.level
    LOG.flush()
    with path.open("wb") as file:
        LOG.descriptor, LOG.level = file.fileno(), 1
        try:
            yield lines
            LOG.flush()
        finally:
            LOG.descriptor, LOG.level = before, level
    lines.extend(json.loads(line) for line in path.read_text().splitlines())


async def test_a_call_is_one_line(tmp_path: Path) -> None:
    with logged(tmp_path / "log") as lines:
        async with client("look") as http:
            reply = await http.get(f"/v1/orders/{ORDER}?limit=3", headers=customer())
    (line,) = lines
    assert line.pop("time")
    assert isinstance(line.pop("ms"), float)
    assert line == {
        "severity": "INFO",
        "function": "look",
        "outcome": "ok",
        "status": 200,
        "trace": reply.headers["correlation-id"],
        "correlation": reply.headers["correlation-id"],
        "actor": USER,
        "merchant": MERCHANT.like(USER),
        "ids": [ORDER],
    }


async def test_a_refusal_is_logged_with_its_problem(tmp_path: Path) -> None:
    DOES["next"] = Conflict("It is over.")
    with logged(tmp_path / "log") as lines:
        async with client("look") as http:
            await http.get(f"/v1/orders/{ORDER}", headers=customer())
    assert (lines[0]["outcome"], lines[0]["problem"], lines[0]["severity"]) == ("refused", "conflict", "INFO")
    assert "frames" not in lines[0]


async def test_an_unexpected_error_is_logged_with_its_frames_and_without_its_words(tmp_path: Path) -> None:
    DOES["next"] = ValueError("someone@example.com")
    with logged(tmp_path / "log") as lines:
        async with client("look") as http:
            await http.get(f"/v1/orders/{ORDER}", headers=customer())
    (line,) = lines
    assert (line["severity"], line["outcome"], line["problem"], line["error"]) == (
        "ERROR",
        "failed",
        "bug",
        "ValueError",
    )
    assert "edge_functions.py" in str(line["frames"])
    assert "someone" not in json.dumps(line)


async def test_what_a_bug_says_is_logged(tmp_path: Path) -> None:
    DOES["next"] = Bug("two facts call themselves x")
    with logged(tmp_path / "log") as lines:
        async with client("look") as http:
            await http.get(f"/v1/orders/{ORDER}", headers=customer())
    assert lines[0]["detail"] == "two facts call themselves x"


async def test_an_operator_may_ask_for_the_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_DETAIL", "1")
    DOES["next"] = ValueError("the reason")
    with logged(tmp_path / "log") as lines:
        async with client("look") as http:
            await http.get(f"/v1/orders/{ORDER}", headers=customer())
    assert lines[0]["detail"] == "the reason"


async def test_an_event_is_logged_in_the_trace_of_its_cause(tmp_path: Path) -> None:
    with logged(tmp_path / "log") as lines:
        async with client("confirm") as http:
            headers = {**dispatcher(), "content-type": "application/cloudevents+json"}
            await http.post("/", content=json.dumps(placed()), headers=headers)
    (line,) = lines
    assert (line["trace"], line["correlation"]) == ("a" * 32, "c" * 32)
    assert (line["event"], line["actor"], line["merchant"]) == ("testing.placed.v1", "dispatcher", MERCHANT)
    assert line["ids"] == [EVENT, "ord_" + "5" * 32]


async def test_neither_tokens_nor_bodies_are_logged(tmp_path: Path) -> None:
    with logged(tmp_path / "log") as lines:
        async with client("place") as http:
            headers = {**customer(), "idempotency-key": "the-key"}
            await http.post("/v1/orders", content=b'{"note": "someone@example.com"}', headers=headers)
    text = json.dumps(lines)
    for secret in (headers["authorization"][7:], "the-key", "someone"):
        assert secret not in text


async def test_what_stands_for_an_id_in_a_path_and_is_none_is_not_logged(tmp_path: Path) -> None:
    address = "ada".ljust(len(ORDER) - len("@example.com"), "a") + "@example.com"
    with logged(tmp_path / "log") as lines:
        async with client("look") as http:
            await http.get(f"/v1/orders/{address}", headers=customer())
    assert (lines[0]["status"], "ids" in lines[0]) == (400, False)


async def test_lines_below_the_level_are_not_written(tmp_path: Path) -> None:
    with logged(tmp_path / "log") as lines:
        LOG.level = 3
        async with client("menu") as http:
            await http.get(f"/v1/shops/{SHOP}/menu")
    assert lines == []


def line(number: int) -> Line:
    return Line("INFO", datetime.now(UTC), "f", "ok", 0.1, "t" * 32, status=number)


def test_a_reader_that_is_slow_loses_nothing_and_keeps_nobody_waiting() -> None:
    reader, writer = os.pipe()
    log = Log(writer, 1)
    for number in range(3_000):  # more than a pipe holds
        log.write(line(number))
    with os.fdopen(reader) as lines:
        assert [json.loads(lines.readline()).get("status", 0) for _ in range(3_000)] == list(range(3_000))
    os.close(writer)


def test_lines_that_wait_are_written_when_the_process_ends() -> None:
    code = (
        "from datetime import datetime, UTC\n"
        "from shared.edge.telemetry import LOG, Line\n"
        "LOG.write(Line('INFO', datetime.now(UTC), 'f', 'ok', 0.1, 't'))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert json.loads(ended.stdout)["function"] == "f"


def test_a_forked_process_logs_for_itself() -> None:
    reader, writer = os.pipe()
    log = Log(writer, 1)
    log.write(line(1))
    log.flush()
    child = os.fork()
    if child == 0:
        log.write(line(2))
        log.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    os.close(writer)
    with os.fdopen(reader) as lines:
        assert [json.loads(text)["status"] for text in lines] == [1, 2]


async def test_calls_are_counted_by_what_became_of_them() -> None:
    meter_of("look").__init__("look")  # type: ignore[misc]  # the function holds this very meter
    async with client("look") as http:
        await http.get(f"/v1/orders/{ORDER}", headers=customer())
        await http.get(f"/v1/orders/{ORDER}")
        metrics = await http.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    found = {
        (sample.name, sample.labels.get("outcome"), sample.labels.get("problem"), sample.labels.get("le")): sample.value
        for family in text_string_to_metric_families(metrics.text)
        for sample in family.samples
        if sample.labels.get("function") == "look"
    }
    assert found["function_calls_total", "ok", "", None] == 1
    assert found["function_calls_total", "refused", "unauthenticated", None] == 1
    assert found["function_call_seconds_count", None, None, None] == 2
    assert found["function_call_seconds_bucket", None, None, "+Inf"] == 2
    assert found["function_calls_in_flight", None, None, None] == 0


def test_durations_fall_into_their_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("shared.edge.telemetry.time.perf_counter", lambda: now[0])
    call = Call(meter_of("timed"), {})
    assert METERS["timed"].in_flight == 1
    now[0] = 0.03
    call.end(200)
    text = exposition().decode()
    assert 'function_call_seconds_bucket{function="timed",le="0.025"} 0.0' in text
    assert 'function_call_seconds_bucket{function="timed",le="0.05"} 1.0' in text
    assert 'function_call_seconds_sum{function="timed"} 0.03' in text
    assert METERS["timed"].in_flight == 0


async def test_a_finished_call_is_a_span_of_the_callers_trace() -> None:
    exporter = InMemorySpanExporter()
    spans = tracing.start("eu", exporter)
    try:
        async with client("look") as http:
            sampled = {**customer(), "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
            await http.get(f"/v1/orders/{ORDER}", headers=sampled)
            await http.get(f"/v1/orders/{ORDER}", headers={**sampled, "traceparent": f"00-{'c' * 32}-{'b' * 16}-00"})
            DOES["next"] = KeyError("x")
            await http.get(f"/v1/orders/{ORDER}", headers=customer())
        spans.flush()
    finally:
        EXPORT.span = None
    done, failed = exporter.get_finished_spans()
    assert done.name == "look"
    assert done.context is not None
    assert f"{done.context.trace_id:032x}" == "a" * 32
    assert done.parent is not None
    assert f"{done.parent.span_id:016x}" == "b" * 16
    assert SEEN[0].by.traceparent == f"00-{'a' * 32}-{done.context.span_id:016x}-01"
    assert done.start_time is not None
    assert done.end_time is not None
    assert done.end_time > done.start_time
    assert failed.status.status_code.name == "ERROR"
    assert failed.parent is None
