"""Imports each function alone and tells what that loaded: `python -m triggers.probe`, requests on stdin, JSON out.

A fresh process for each function would import the same framework seventy times. So one process imports the common base,
a fork of it for each service and set of needs imports what these allow, and a fork of that imports one function: what
it loads beyond is its own doing. The service's wiring is imported with the needs, as long as it keeps within them.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from triggers.needs import LIBRARIES, beyond
from triggers.registry import ROOT, Entry

BASE: Final = ("functions_framework.aio", "pydantic", "msgspec", "shared.edge.http", "shared.edge.cloud_event")
AT_ONCE: Final = 2


class Asked(msgspec.Struct, frozen=True):
    """Functions of a service whose entries have the same needs."""

    service: str
    needs: tuple[str, ...]
    entries: tuple[Entry, ...]


class Told(msgspec.Struct, frozen=True):
    """What loading one function came to."""

    operation: str
    modules: tuple[str, ...] = ()
    """What it loaded beyond the common base and the libraries of its needs."""
    error: str = ""
    """Why it can't be loaded, or does not fit its entry; empty when it does."""


class Facts(msgspec.Struct, frozen=True):
    """Every declared fact type, with the package that declares it."""

    declared: dict[str, str]


def ask(entries: Iterable[Entry]) -> dict[str, Told]:
    """Return what loading each function alone came to, by operation."""
    groups: dict[tuple[str, tuple[str, ...]], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.service, tuple(sorted(entry.needs))), []).append(entry)
    asked = [Asked(service, needs, tuple(group)) for (service, needs), group in sorted(groups.items())]
    told = _run("functions", msgspec.json.encode(asked))
    return {one.operation: one for one in msgspec.json.decode(told, type=list[Told])}


def facts() -> dict[str, str]:
    """Return every fact type that the services declare, with the module it stands in."""
    return msgspec.json.decode(_run("facts", b""), type=Facts).declared


def _run(what: str, request: bytes) -> bytes:
    """Run this module in a process of its own, which has loaded nothing else. Raises RuntimeError when it fails.

    It is given none of the platform's settings: a function that reads one while it is imported fails here.
    """
    command = [sys.executable, "-m", "triggers.probe", what]
    bare = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    done = subprocess.run(command, input=request, capture_output=True, cwd=ROOT, env=bare, timeout=300, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def _forked(work: Callable[[], object]) -> bytes:
    """Return, encoded, what `work` returns in a fork of this process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        status = 1
        try:
            with os.fdopen(writer, "wb") as out:
                out.write(msgspec.json.encode(work()))
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as results:
        told = results.read()
    os.waitpid(child, 0)
    return told


def _group(asked: Asked) -> list[Told]:
    for need in asked.needs:
        for library in LIBRARIES[need]:
            importlib.import_module(library)
    if msgspec.json.decode(_forked(lambda: _wired(asked)) or b"false"):
        _wired(asked)
    return [_alone(entry) for entry in asked.entries]


def _wired(asked: Asked) -> bool:
    """Import the service's wiring and return whether that keeps within the needs; tried in a fork first."""
    for module in (f"shared.wiring.{asked.service}", "shared.wiring.edge"):
        if (ROOT / (module.replace(".", "/") + ".py")).exists():
            importlib.import_module(module)
    return not beyond(asked.entries[0], sys.modules)


def _alone(entry: Entry) -> Told:
    told = _forked(lambda: _load(entry))
    if not told:
        return Told(entry.operation, error="its process ended while it was imported")
    return msgspec.json.decode(told, type=Told)


def _load(entry: Entry) -> Told:
    from shared.edge.serve import FunctionApp

    before, error = set(sys.modules), ""
    try:
        operation = FunctionApp(entry.target, entry.source).operation
        loaded = set(sys.modules)
        if operation is None:
            error = "the function has no decorator of shared.wiring.edge"
        else:
            operation.check(entry)
    except Exception as wrong:  # noqa: BLE001  a function may fail in any way; what it says is the finding
        loaded, error = set(sys.modules), f"{type(wrong).__name__}: {wrong}"
    return Told(entry.operation, tuple(sorted(loaded - before)), error)


def _declared() -> Facts:
    for module in sorted((ROOT / "shared").glob("*/facts.py")):
        if module.parent.name != "kernel":
            importlib.import_module(f"shared.{module.parent.name}.facts")
    from shared.kernel.facts import declared

    return Facts({type_: fact.__module__ for type_, fact in declared().items()})


def _answers(asked: Sequence[Asked]) -> Iterator[Told]:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for one, told in zip(asked, threads.map(lambda one: _forked(lambda: _group(one)), asked), strict=True):
            if told:
                yield from msgspec.json.decode(told, type=list[Told])
            else:
                yield from (Told(entry.operation, error="its libraries can't be imported") for entry in one.entries)


def main(arguments: list[str]) -> int:
    """Answer one request."""
    if arguments == ["facts"]:
        sys.stdout.buffer.write(msgspec.json.encode(_declared()))
        return 0
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Asked])
    for module in BASE:
        importlib.import_module(module)
    sys.stdout.buffer.write(msgspec.json.encode(list(_answers(asked))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
