"""The smallest async function, served as an image serves it, against a bare ASGI application on the same server."""

from collections.abc import Sequence
from itertools import repeat
from pathlib import Path

from tests.bench.ground import Ground
from tests.bench.load import get, load
from tests.bench.row import Probe, Row

HELLO = Path(__file__).parent / "servers" / "hello.py"
_REQUESTS = repeat(get("/"))


def hello(ground: Ground) -> Probe:
    """Return the floor that HTTP functions are measured against."""

    def make() -> Probe:
        port = ground.function("hello", HELLO, {})
        return Probe("async hello function", "requests/s", lambda seconds: load(port, _REQUESTS, seconds))

    return ground.once("hello", make)


def rows(ground: Ground) -> Sequence[Row]:
    """Return the row."""
    port = ground.server("raw", "tests.bench.servers.raw", {})
    raw = Probe("raw ASGI on uvicorn", "requests/s", lambda seconds: load(port, _REQUESTS, seconds))
    return [Row("async hello function", hello(ground), raw, goal=0.75)]
