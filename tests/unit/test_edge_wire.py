"""The protocol on the wire: what arrives in any pieces is one request, what has no end is cut off."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPResponse

import pytest
import uvicorn

from shared.edge import wire
from shared.edge.answer import Answer, Receive, Scope, Send
from shared.edge.wire import HEAD_LIMIT, REQUEST_LIMIT, Wire

DEADLINE_S = 10.0
CHUNKED = b"POST %s HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


async def counting(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the number of bytes in the body; /early answers before it is read."""
    size, more = 0, scope["path"] != "/early"
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await Answer(200, [(b"content-type", b"text/plain")], b"%d" % size)(scope, receive, send)


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """Where `counting` is served by `Wire`."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(counting, http=Wire, ws="none", lifespan="off", log_level="critical"))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        serving.start()
        yield listening.getsockname()
        server.should_exit = True
        serving.join(DEADLINE_S)


@pytest.fixture
def connection(address: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=DEADLINE_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def told(connection: socket.socket) -> tuple[int, bytes]:
    """Return status and body of the next answer."""
    response = HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def post(body: bytes, padding: int = 0) -> bytes:
    head = b"POST / HTTP/1.1\r\nhost: x\r\nx: %s\r\ncontent-length: %d\r\n\r\n" % (b"p" * padding, len(body))
    return head + body


def hung_up(connection: socket.socket) -> bool:
    """Return whether the server ended the connection without another word."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("split", [1, 10, 57, len(post(b"")) - 1, len(post(b"")) + 1])
def test_a_request_in_pieces_is_one_request(connection: socket.socket, split: int) -> None:
    for padding in (0, 20_000):
        whole = post(b"b" * 200_000, padding)
        connection.sendall(whole[:split])
        connection.sendall(whole[split:])
        assert told(connection) == (200, b"200000")


def test_a_head_byte_by_byte_is_a_head(connection: socket.socket) -> None:
    for byte in post(b"whole"):
        connection.sendall(bytes([byte]))
    assert told(connection) == (200, b"5")


def test_requests_on_each_others_heels_are_all_answered(connection: socket.socket) -> None:
    connection.sendall(b"".join(post(b"x" * size) for size in range(50)) * 10)
    answers = connection.makefile("rb")
    for size in list(range(50)) * 10:
        lines = iter(answers.readline, b"\r\n")
        assert next(lines).split()[1] == b"200"
        length = max(int(line.split()[1]) for line in lines if line.startswith(b"content-length:"))
        assert answers.read(length) == b"%d" % size


def test_many_large_requests_on_one_connection_are_no_large_request(connection: socket.socket) -> None:
    for _ in range(6):
        connection.sendall(post(b"b" * 1_000_000, padding=30_000))
        assert told(connection) == (200, b"1000000")


@pytest.mark.parametrize("pieces", [1, 7, 40])
def test_a_head_without_end_is_refused(connection: socket.socket, pieces: int) -> None:
    head = b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"p" * HEAD_LIMIT
    size = -(-len(head) // pieces)
    for start in range(0, len(head), size):
        connection.sendall(head[start : start + size])
    status, body = told(connection)
    assert (status, b"/problems/headers-too-large" in body) == (431, True)
    assert hung_up(connection)


def test_trailers_without_end_are_cut_off(connection: socket.socket) -> None:
    connection.sendall(CHUNKED % b"/" + b"1\r\nb\r\n0\r\n")
    with suppress(ConnectionError):
        for _ in range(2 * REQUEST_LIMIT // 60_000):
            connection.sendall(b"t: " + b"p" * 60_000 + b"\r\n")
    assert hung_up(connection)


def test_who_sends_on_after_the_answer_is_cut_off_without_another(connection: socket.socket) -> None:
    connection.sendall(CHUNKED % b"/early")
    assert told(connection) == (200, b"0")
    with suppress(ConnectionError):
        for _ in range(2 * REQUEST_LIMIT // 65_536):
            connection.sendall(b"10000\r\n" + b"b" * 65_536 + b"\r\n")
    assert hung_up(connection)


def test_a_head_that_stops_halfway_is_not_waited_for(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEAD_TIMEOUT_S", 0.05)
    with socket.create_connection(address, timeout=DEADLINE_S) as halfway:
        halfway.sendall(b"GET / HTTP/1.1\r\nhost:")
        assert hung_up(halfway)


def test_what_is_no_http_is_a_problem(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    status, body = told(connection)
    assert (status, b"/problems/invalid" in body) == (400, True)
    assert hung_up(connection)
