"""What rows stand on: real engines and servers of the run's own, started when a row first needs them, stopped together.

Postgres commits durably here (fsync and synchronous_commit on), unlike in the tests.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TypeVar, cast

import uvloop

from emulators import postgres
from emulators.bitcoin import Bitcoin
from emulators.component import HOST, LOCAL, ROOT, Process, Running, free_port, port_open
from emulators.ethereum import Ethereum
from emulators.kafka import Kafka
from emulators.keys import keys
from emulators.postgres import Postgres
from emulators.pubsub import PubSub
from emulators.stack import Stack
from emulators.valkey import Valkey
from tests.bench.furnish import SHOPS, furnish

T = TypeVar("T")

REGION = "bench"
_NO_LIMIT = "1000000000"
"""Calls a minute of one caller: limits are counted as ever, and nobody reaches them."""


class Ground:
    """Engines, servers and whatever else is made once for several rows. `close` ends all of it."""

    def __init__(self, workdir: Path | None = None, *, full: bool = True) -> None:
        """`full`: as much of everything as the table says; else just enough to try."""
        _remove_former_runs()
        workdir = workdir or LOCAL / f"bench-{os.getpid()}"
        light = os.environ.get("PROFILE") == "light"
        self._stack = Stack(
            [Postgres(), Valkey(), Kafka(light=light), PubSub(light=True), Bitcoin(), Ethereum()], workdir
        )
        self._servers: list[Process] = []
        self._made: dict[str, object] = {}
        self._at_end: list[Callable[[], object]] = []
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.full = full
        self.shops = SHOPS if full else SHOPS // 10
        """How many shops there are to order from; `furnish.shop_id` names them."""

    @property
    def workdir(self) -> Path:
        return self._stack.workdir

    def engine(self, name: str) -> Running:
        """Return a running engine: postgres, valkey, kafka, pubsub, bitcoin, ethereum. Raises ComponentFailed."""
        return self._stack.start(name)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return what `make` made the first time this name was asked for."""
        if name not in self._made:
            self._made[name] = make()
        return cast(T, self._made[name])

    @property
    def database(self) -> str:
        """Return the URL of the platform's database: migrated, with shops, menus and stock that lasts."""
        url = self.engine("postgres").env["DATABASE_URL"]
        return self.once("furnished", lambda: furnish(url, self.shops))

    @property
    def env(self) -> dict[str, str]:
        """Return the variables of a platform whose Postgres and Valkey are these. Starts both."""
        return {
            **keys(self.workdir),
            **self.engine("valkey").env,
            "DATABASE_URL": self.database,
            "CORTADO_REGION": REGION,
            "PUBLIC_URL": f"http://{HOST}:8080",
            "RATE_LIMIT_PER_MINUTE": _NO_LIMIT,
        }

    def program(self, name: str, module: str, env: Mapping[str, str], ready: Callable[[], bool]) -> Process:
        """Start `python -m module` and return it once it is ready; it ends with the ground. Raises ComponentFailed."""
        process = Process(
            name,
            [sys.executable, "-m", module],
            workdir=self.workdir,
            ready=ready,
            env={**env, "PYTHONUNBUFFERED": "1"},
            cwd=ROOT,
        )
        self._servers.append(process)
        process.start()
        return process

    def server(self, name: str, module: str, env: Mapping[str, str]) -> int:
        """Start `python -m module` on a free port that it is told as PORT, and return that. Raises ComponentFailed."""
        port = free_port()
        self.program(name, module, {**env, "HOST": HOST, "PORT": str(port)}, lambda: port_open(port))
        return port

    def function(self, target: str, source: Path, env: Mapping[str, str]) -> int:
        """Serve one function, as its image does, in one process, and return its port. Raises ComponentFailed."""
        own = {"FUNCTION_TARGET": target, "FUNCTION_SOURCE": str(source)}
        return self.server(target, "shared.edge.serve", {**env, **own})

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run something in the one event loop that clients of engines live in."""
        return self._runner.run(work)

    def at_end(self, close: Callable[[], object]) -> None:
        """Have something closed before the engines stop."""
        self._at_end.append(close)

    def close(self) -> None:
        """Stop everything, and remove its data; logs stay until the next run."""
        for close in reversed(self._at_end):
            close()
        self._runner.close()
        for server in reversed(self._servers):
            server.stop()
        self._stack.stop()
        _remove(self.workdir / "data")


def _remove_former_runs() -> None:
    """Delete what runs left behind that are over, or were killed."""
    for folder in LOCAL.glob("bench-*"):
        if not Path(f"/proc/{folder.name.removeprefix('bench-')}").exists():
            _remove(folder)


def _remove(folder: Path) -> None:
    postgres.remove(folder if folder.name != "data" else folder.parent)
    shutil.rmtree(folder, ignore_errors=True)
