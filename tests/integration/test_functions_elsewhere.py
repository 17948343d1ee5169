"""Functions that lie in another process are found where they are: the senders of coins, and all when isolated."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from emulators.functions import entries_of, front
from shared.edge.answer import Message
from triggers.needs import KEYS
from triggers.registry import load


class Other(ThreadingHTTPServer):
    """Another process: notes what it was asked, and answers 299."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Noting)
        self.asked: list[tuple[str, str, bytes]] = []
        self.read = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Noting(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Other)
        chunked = self.headers.get("Transfer-Encoding") == "chunked"
        body = self._chunks() if chunked else self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.asked.append((self.path, self.headers.get("X-Mine", ""), body))
        self.send_response(299)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"done")

    def do_GET(self) -> None:
        """Answer with two events, the second when the first was read."""
        assert isinstance(self.server, Other)
        self.server.asked.append((self.path, self.headers.get("Last-Event-ID", ""), b""))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"data: 1\n\n")
        self.wfile.flush()
        self.server.read.wait(10)
        self.wfile.write(b"data: 2\n\n")

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def other() -> Iterator[Other]:
    server = Other()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_operation_that_needs_keys_is_of_the_role_that_has_them() -> None:
    needing = {entry.operation for entry in load() if KEYS in entry.needs}
    assert {entry.operation for entry in entries_of(load(), "signing")} == needing
    assert "send_refund" in needing
    assert needing <= {entry.operation for entry in entries_of(load(), "events")}


async def test_calls_are_passed_on_as_they_are_to_where_the_function_is(other: Other) -> None:
    events = {entry.operation: other.address for entry in entries_of(load(), "events")}
    events["send_refund"] = f"{other.address}/send_refund"
    http = {entry.operation: other.address for entry in entries_of(load(), "http")}
    for role, elsewhere, path, arrived in (
        ("events", events, "/send_refund", "/send_refund"),
        ("events", events, "/watch_evm", "/"),
        ("http", http, "/v1/orders?a=b", "/v1/orders?a=b"),
    ):
        transport = httpx.ASGITransport(app=front(role, elsewhere))
        async with httpx.AsyncClient(transport=transport, base_url="http://front") as client:
            reply = await client.post(path, content=b"what is said", headers={"X-Mine": "yes"})
        assert (reply.status_code, reply.content) == (299, b"done")
        assert other.asked.pop() == (arrived, "yes", b"what is said")


async def test_a_stream_is_passed_on_chunk_by_chunk(other: Other) -> None:
    http = {entry.operation: other.address for entry in entries_of(load(), "http")}
    app, path = front("http", http), "/v1/orders/ord_" + "0" * 32 + "/events"
    headers = [(b"accept", b"text/event-stream"), (b"last-event-id", b"1-4"), (b"host", b"front")]
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
    }
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)
        if message.get("body") == b"data: 1\n\n":
            other.read.set()

    await app(scope, receive, send)
    assert [message.get("body") for message in sent] == [None, b"data: 1\n\n", b"data: 2\n\n", b""]
    assert (b"content-type", b"text/event-stream") in sent[0]["headers"]
    assert other.asked == [(path, "1-4", b"")]
    away = front("http", {**http, "follow_order": "http://127.0.0.1:9"})
    sent.clear()
    await away(scope, receive, send)
    assert sent[0]["status"] == 503


async def test_a_process_that_is_away_is_told_as_unavailable() -> None:
    elsewhere = {entry.operation: "http://127.0.0.1:9" for entry in entries_of(load(), "events")}
    transport = httpx.ASGITransport(app=front("events", elsewhere))
    async with httpx.AsyncClient(transport=transport, base_url="http://front") as client:
        assert (await client.post("/send_refund")).status_code == 503
