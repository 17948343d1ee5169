"""Answers as bytes on a connection: written at once where the server allows it, and the same as in two messages."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn

from shared.edge import answer
from shared.edge.answer import Answer, encoded
from shared.edge.serve import Front
from shared.edge.wire import Wire
from shared.kernel.reply import Reply
from tests.unit.edge_does import DOES, SEEN
from tests.unit.edge_kit import GATEWAY, REGISTRY, SHOP, served
from tests.waiting import until

MENU = f"/v1/shops/{SHOP}/menu"


@pytest.fixture(autouse=True)
def fresh() -> None:
    DOES.clear()
    SEEN.clear()
    GATEWAY.__init__()  # type: ignore[misc]  # the functions hold this very gateway


@pytest.fixture
async def port() -> AsyncIterator[int]:
    def find(method: str, path: str) -> object:
        match = REGISTRY.match(method, path)
        return served(match.entry.operation) if match else served("menu")

    front = Front(find)  # type: ignore[arg-type]  # FunctionApps
    config = uvicorn.Config(
        front, port=0, http=Wire, ws="none", proxy_headers=False, log_level="warning", lifespan="off"
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started, "the server is up")
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await running


async def said(port: int, *requests: str) -> bytes:
    """Send requests on one connection, all at once, and return everything that comes back until it ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("".join(requests).encode())
    async with asyncio.timeout(10):
        received = await reader.read()
    writer.close()
    return received


def request(method: str, path: str, *headers: str, last: bool = True) -> str:
    lines = [f"{method} {path} HTTP/1.1", "host: edge", *headers, *(["connection: close"] if last else []), "", ""]
    return "\r\n".join(lines)


def parsed(message: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    head, _, body = message.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    pairs = [line.split(b": ", 1) for line in lines]
    return status, {name: value for name, value in pairs if name != b"date"}, body


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Tell of each answer whether it was written at once."""
    told: list[bool] = []
    for server, whole in answer.WHOLE.items():

        def watched(cycle: object, given: Answer, whole: object = whole) -> bool:
            told.append(whole(cycle, given))  # type: ignore[operator]  # a writer
            return told[-1]

        monkeypatch.setitem(answer.WHOLE, server, watched)
    return told


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", MENU, ()),
        ("HEAD", MENU, ()),
        ("GET", MENU, ('if-none-match: "7"',)),
        ("GET", f"{MENU}?x=1", ()),
        ("POST", MENU, ("content-length: 0",)),
        ("DELETE", "/v1/devices/d1", ()),
    ],
)
async def test_an_answer_at_once_is_the_same_answer(
    port: int, written: list[bool], method: str, path: str, headers: tuple[str, ...]
) -> None:
    asked = request(method, path, "correlation-id: the-same-one", *headers, last=False)
    first = request("GET", MENU, "correlation-id: the-same-one")
    at_once = await said(port, asked, first)
    assert written == [True, False]
    in_two = await said(port, request(method, path, "correlation-id: the-same-one", *headers))
    assert written == [True, False, False]
    alone = at_once[: at_once.rindex(b"HTTP/1.1 ")]
    status, kept, body = parsed(alone)
    status_in_two, kept_in_two, body_in_two = parsed(in_two)
    assert kept_in_two.pop(b"connection") == b"close"
    assert (status, kept, body) == (status_in_two, kept_in_two, body_in_two)


async def test_pipelined_requests_are_answered_in_order(port: int, written: list[bool]) -> None:
    several = [request("GET", f"{MENU}?{number}", last=False) for number in "abc"]
    received = await said(port, *several, request("GET", MENU))
    assert received.count(b"HTTP/1.1 400 ") == 3
    assert received.endswith(b'{"said":"menu"}')
    assert written == [True, True, True, False]


async def test_an_answer_that_ends_the_connection_ends_it(port: int, written: list[bool]) -> None:
    received = await said(port, request("POST", "/v1/nonces", "content-length: 99999", last=False))
    status, headers, _ = parsed(received)
    assert (status, headers[b"connection"]) == (b"HTTP/1.1 413 Request Entity Too Large", b"close")
    assert written == [False]


async def test_a_client_that_reads_slowly_gets_all_of_it(port: int) -> None:
    DOES["next"] = Reply(b"x" * 8_000_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write((request("GET", MENU, last=False) + request("GET", MENU)).encode())
    await until(lambda: len(SEEN) >= 1, "the first answer is on its way")
    async with asyncio.timeout(20):
        received = await reader.read(-1)
    writer.close()
    assert received.count(b"x") >= 16_000_000
    assert len(SEEN) == 2


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b", "a\x7fb", "a\x1bb"])
def test_a_header_that_would_start_another_is_not_made(value: str) -> None:
    with pytest.raises(ValueError, match="header"):
        encoded({"location": value})
