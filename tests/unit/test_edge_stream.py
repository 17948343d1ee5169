"""An answer that comes bit by bit, served as the image serves it: at once, to its end, and closed when nobody reads."""

import socket
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress

import pytest
import uvicorn

from shared.edge.serve import Front
from shared.edge.wire import Wire
from shared.kernel.decision import Role
from shared.kernel.reply import Streamed
from tests.unit.edge_does import DOES, SEEN
from tests.unit.edge_kit import GATEWAY, served, staff
from tests.waiting import until

DEADLINE_S = 10.0
PATH = "/v1/orders/ord_" + "5" * 32


class Chunks:
    """Two chunks, the second when it is let go; notes when it is closed."""

    def __init__(self) -> None:
        self.go, self.closed = threading.Event(), threading.Event()

    async def __call__(self) -> AsyncGenerator[bytes, None]:
        try:
            yield b"data: 1\n\n"
            await until(self.go.is_set, "the second chunk is let go")
            yield b"data: 2\n\n"
        finally:
            self.closed.set()


@pytest.fixture
def chunks() -> Iterator[Chunks]:
    chunks = Chunks()
    GATEWAY.__init__()  # type: ignore[misc]  # the functions hold this very gateway
    DOES["next"] = Streamed(chunks(), content_type="text/event-stream", headers={"cache-control": "no-store"})
    yield chunks
    DOES.clear()
    SEEN.clear()


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    """Where the function is served, with health beside it, by the wire protocol of the image."""
    function = served("look")
    front = Front(lambda method, path: function, ready=function.ready)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(front, http=Wire, ws="none", log_level="critical", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        serving.start()
        yield listening.getsockname()
        server.should_exit = True
        serving.join(DEADLINE_S)
        assert not serving.is_alive(), "a stream that nobody ends keeps no process from ending"


def asked(address: tuple[str, int], method: str = "GET") -> socket.socket:
    connection = socket.create_connection(address, timeout=DEADLINE_S)
    token = staff(Role.MANAGER)["authorization"]
    connection.sendall(f"{method} {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\n\r\n".encode())
    return connection


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """Return what comes up to `end`. Raises TimeoutError when it does not come."""
    told = b""
    while end not in told:
        part = connection.recv(65_536)
        assert part, told
        told += part
    return told


def test_a_chunk_is_there_before_the_next_is_made(address: tuple[str, int], chunks: Chunks) -> None:
    with asked(address) as connection:
        told = read_until(connection, b"data: 1\n\n")
        assert b"200 OK" in told
        assert b"content-type: text/event-stream" in told
        assert b"content-length" not in told
        assert not chunks.closed.is_set()
        chunks.go.set()
        assert b"data: 2\n\n" in read_until(connection, b"0\r\n\r\n")
        assert chunks.closed.wait(DEADLINE_S)
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"200 OK" in read_until(connection, b'"ok"'), "the connection goes on"


def test_who_hangs_up_ends_the_stream(address: tuple[str, int], chunks: Chunks) -> None:
    with asked(address) as connection:
        read_until(connection, b"data: 1\n\n")
    assert chunks.closed.wait(DEADLINE_S)


def test_a_head_gets_no_chunk_and_leaves_nothing_open(address: tuple[str, int], chunks: Chunks) -> None:
    with asked(address, "HEAD") as connection:
        told = read_until(connection, b"\r\n\r\n")
        assert b"content-type: text/event-stream" in told
        connection.settimeout(0.2)
        with suppress(TimeoutError):
            assert connection.recv(1) == b""


def test_a_process_that_ends_takes_its_streams_along(address: tuple[str, int], chunks: Chunks) -> None:
    connection = asked(address)
    read_until(connection, b"data: 1\n\n")
    connection.detach()  # still open when the server is told to end
