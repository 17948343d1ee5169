"""Liveness, readiness, metrics and problems beside functions, and the server that the image runs."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.edge import serve
from shared.edge.serve import Front, FunctionApp
from shared.kernel.errors import Transient
from tests.unit.edge_kit import GATEWAY, PUBLIC_URL, REGISTRY, SHOP, client, served

HELLO = """
import functions_framework.aio
from starlette.responses import Response

@functions_framework.aio.http
async def hello(request):
    if request.url.path == "/broken":
        raise KeyError("secret")
    return Response(b"hello")
"""


@pytest.fixture(autouse=True)
def fresh() -> None:
    GATEWAY.__init__()  # type: ignore[misc]  # the functions hold this very gateway


def many() -> httpx.AsyncClient:
    """Return a client of several functions behind one front, as the local platform has them."""

    def find(method: str, path: str) -> FunctionApp | None:
        match = REGISTRY.match(method, path)
        return served(match.entry.operation) if match else None

    front = Front(find, allowed=REGISTRY.allowed, public_url=PUBLIC_URL)
    return httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://edge")


async def test_alive_means_alive() -> None:
    GATEWAY.fails = Transient("The database is busy.")
    async with client("menu") as http:
        reply = await http.get("/livez")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})


async def test_ready_means_what_this_region_needs_is_there() -> None:
    async with client("menu") as http:
        assert (await http.get("/readyz")).json() == {"status": "ok", "replica": "ok"}
        GATEWAY.state = {"replica": "down: unavailable"}
        reply = await http.get("/readyz")
        assert (reply.status_code, reply.json()) == (503, {"status": "down", "replica": "down: unavailable"})
        GATEWAY.fails = KeyError("secret")
        reply = await http.get("/readyz")
        assert (reply.status_code, reply.json()["function"]) == (503, "down: KeyError")


async def test_a_dependency_that_hangs_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "READY_TIMEOUT_S", 0.01)

    async def forever() -> dict[str, str]:
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(GATEWAY, "ready", forever)
    async with client("menu") as http:
        assert (await http.get("/readyz")).status_code == 503


async def test_a_method_nobody_takes_is_told_which_are() -> None:
    async with many() as http:
        reply = await http.patch(f"/v1/shops/{SHOP}/menu")
        livez = await http.post("/livez")
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD")
    assert reply.json()["type"] == f"{PUBLIC_URL}/problems/method-not-allowed"
    assert (livez.status_code, livez.headers["allow"]) == (405, "GET, HEAD")


async def test_a_path_nobody_serves_is_a_problem() -> None:
    async with many() as http:
        reply = await http.get("/v2/orders")
        found = await http.get(f"/v1/shops/{SHOP}/menu")
    assert (reply.status_code, reply.headers["content-type"]) == (404, "application/problem+json")
    assert found.status_code == 200


async def test_a_plain_function_of_the_framework_is_served_too(tmp_path: Path) -> None:
    source = tmp_path / "plain_hello.py"
    source.write_text(HELLO)
    function = FunctionApp("hello", source)
    front = Front(lambda method, path: function, ready=function.ready)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://edge") as http:
        assert (await http.get("/anything")).content == b"hello"
        assert (await http.get("/readyz")).status_code == 200
        broken = await http.get("/broken")
    assert (broken.status_code, broken.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in broken.text


async def test_lifespan_is_acknowledged_and_sockets_are_closed() -> None:
    front = Front(lambda method, path: None)
    sent: list[MutableMapping[str, Any]] = []
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> MutableMapping[str, Any]:
        return next(messages)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await front({"type": "lifespan"}, receive, send)
    await front({"type": "websocket"}, receive, send)
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
        "websocket.close",
    ]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    source = tmp_path / "served_hello.py"
    source.write_text(HELLO)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {**os.environ, "FUNCTION_TARGET": "hello", "FUNCTION_SOURCE": str(source), "PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "shared.edge.serve"], env=environ, stdout=subprocess.PIPE)
    yield process, f"http://127.0.0.1:{port}"
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_the_image_serves_its_function_until_told_to_stop(server: tuple[subprocess.Popen[bytes], str]) -> None:
    process, url = server
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None
        try:
            reply = httpx.get(f"{url}/livez", timeout=2)
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline
            process_waits(process, 0.05)
    assert reply.status_code == 200
    assert httpx.get(f"{url}/", timeout=2).content == b"hello"
    assert "server" not in reply.headers
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) in (0, -signal.SIGTERM)


def process_waits(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for the process to end, for so long at most."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def test_a_missing_target_is_named() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FUNCTION_")}
    ended = subprocess.run([sys.executable, "-m", "shared.edge.serve"], env=environ, capture_output=True, timeout=60)
    assert ended.returncode == 2
    assert b"FUNCTION_TARGET" in ended.stderr
