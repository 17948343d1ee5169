"""The smallest async function, against a bare ASGI application: served by the framework alone, and as images serve it.

The first is the floor of every other HTTP row: uvicorn, uvloop, httptools and the framework, nothing of this platform.
The second goes through the platform's own server, which calls functions without the framework's middleware.
"""

from collections.abc import Sequence
from itertools import repeat
from pathlib import Path

from tests.bench.ground import Ground
from tests.bench.load import get, load
from tests.bench.row import Probe, Row

HELLO = Path(__file__).parent / "servers" / "hello.py"
_REQUESTS = repeat(get("/"))


def hello(ground: Ground) -> Probe:
    """Return the floor that HTTP functions are measured against: hello by the framework alone."""

    def make() -> Probe:
        port = ground.server("hello", "tests.bench.servers.framework", {"FUNCTION_SOURCE": str(HELLO)})
        return Probe("hello by the framework alone", "requests/s", lambda seconds: load(port, _REQUESTS, seconds))

    return ground.once("hello", make)


def served(ground: Ground) -> Probe:
    """Return the same function as an image serves it."""

    def make() -> Probe:
        port = ground.function("hello", HELLO, {})
        return Probe("hello as images serve it", "requests/s", lambda seconds: load(port, _REQUESTS, seconds))

    return ground.once("served", make)


def rows(ground: Ground) -> Sequence[Row]:
    """Return the rows."""
    port = ground.server("raw", "tests.bench.servers.raw", {})
    raw = Probe("raw ASGI on uvicorn", "requests/s", lambda seconds: load(port, _REQUESTS, seconds))
    return [
        Row("async hello function", served(ground), raw, goal=0.75),
        Row("async hello function, by the framework alone", hello(ground), raw, goal=0.75),
    ]
