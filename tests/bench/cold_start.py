"""Cold start: from starting the process to the first answer of its function, which opens what it needs on the way.

The function carries pydantic, pg8000 and redis (`get_shop`); its floor is the hello function on the framework's own
application, without anything of this platform. Both run from byte-compiled files and a compiled registry, as images do.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median

from emulators.component import HOST, free_port, http_answers
from tests.bench.furnish import shop_id
from tests.bench.ground import Ground
from tests.bench.hello import HELLO
from tests.bench.row import VALUE, Probe, Readings, Row
from triggers.registry import build
from triggers.registry import load as registry

_LEAST = 2


def _starts(ground: Ground, module: str, env: Mapping[str, str], path: str) -> Callable[[float], Readings]:
    """Return a measurement that starts and stops the server again and again."""

    def measure(seconds: float) -> Readings:
        took: list[float] = []
        while len(took) < _LEAST or sum(took) < seconds:
            port = free_port()
            url = f"http://{HOST}:{port}{path}"
            began = time.perf_counter()
            process = ground.program(
                "cold-start", module, {**env, "HOST": HOST, "PORT": str(port)}, partial(http_answers, url)
            )
            took.append(time.perf_counter() - began)
            process.stop(grace_s=0)
        return {VALUE: median(took) * 1000}

    return measure


def rows(ground: Ground) -> Sequence[Row]:
    """Return the row."""
    build()
    entry = registry()["get_shop"]
    own = {"FUNCTION_TARGET": entry.target, "FUNCTION_SOURCE": str(entry.source)}
    path = entry.path.replace("{shop_id}", shop_id(1))
    full = Probe("get_shop", "ms", _starts(ground, "shared.edge.serve", {**ground.env, **own}, path))
    hello = Probe(
        "cold start of hello",
        "ms",
        _starts(ground, "tests.bench.servers.framework", {"FUNCTION_SOURCE": str(HELLO)}, "/"),
    )
    return [Row("cold start of an HTTP function (pydantic, pg8000, redis)", full, hello, 1.5, less_is_better=True)]
