"""The keys that coins are sent with: which functions can come near them. Read from the sources, late imports too."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from triggers.check import alone
from triggers.needs import KEYS, beyond
from triggers.registry import ROOT, Entry, entry_of, load

NEAR_KEYS = ("shared.adapters.signing", "shared.wiring.signing")
SENDING = {"postgres", "rpc", KEYS}


def keyless(entry: Entry) -> bool:
    return KEYS not in entry.needs


@cache
def imported(path: Path) -> frozenset[str]:
    """Return the modules that a file imports anywhere, `from x import y` as x and x.y."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def file_of(module: str) -> Path | None:
    """Return the project's file of a module, None for what is not the project's."""
    place = ROOT.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()), None)


def reached(source: Path) -> Iterator[tuple[str, Path]]:
    """Yield every module of the project that a file can come to import, and the file it lies in."""
    waiting, seen = [source], {source}
    while waiting:
        for module in imported(waiting.pop()):
            path = file_of(module)
            if path is not None:
                yield module, path
                if path not in seen:
                    seen.add(path)
                    waiting.append(path)


@pytest.mark.parametrize("entry", [entry for entry in load() if keyless(entry)], ids=lambda one: one.operation)
def test_a_function_without_the_need_can_never_import_a_signer_or_read_its_settings(entry: Entry) -> None:
    modules = dict(reached(entry.source))
    assert [module for module in modules if module.startswith(NEAR_KEYS)] == []
    assert [module for module, path in modules.items() if "SigningSettings" in names_in(path)] == []


@cache
def names_in(path: Path) -> frozenset[str]:
    return frozenset(
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(ast.parse(path.read_text(), str(path)))
        if isinstance(node, ast.Name | ast.Attribute)
    )


def test_a_signer_would_be_found() -> None:
    modules = dict(reached(ROOT / "shared/wiring/signing.py"))
    assert "shared.adapters.signing.local_key" in modules
    assert "SigningSettings" in names_in(ROOT / "shared/wiring/signing.py")


def test_no_http_function_needs_keys() -> None:
    assert [entry.operation for entry in load().http() if not keyless(entry)] == []
    wrong = entry_of(
        "payments", "pay", {"http": "POST /v1/a", "auth": "owner", "safe": "harmless indeed", "needs": [KEYS]}
    )
    assert any("clients reach it" in line for line in alone([wrong]))


def test_a_signer_beyond_the_needs_is_told() -> None:
    watcher = entry_of("payments", "watch", {"every": "5s", "needs": ["postgres", "rpc"]})
    sender = entry_of("payments", "send", {"every": "5s", "needs": sorted(SENDING)})
    loaded = ["shared.adapters.signing.local_key", "httpx"]
    assert beyond(watcher, loaded) == ["shared.adapters.signing"]
    assert beyond(sender, loaded) == []


PROGRAM = """
import os, sys

class Watched(dict):
    def __getitem__(self, name):
        read.add(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        read.add(name)
        return super().get(name, default)

read = set()
os.environ["SIGNING"] = "not for you"
os.environ = Watched(os.environ)

from shared.edge.serve import FunctionApp
from triggers.registry import load

for entry in load().http():
    FunctionApp(entry.target, entry.source)
print("SIGNING" in read, *(module for module in sys.modules if module.startswith(("shared.adapters.signing",
      "shared.wiring.signing"))))
"""


def test_importing_every_http_function_reads_no_key_and_loads_no_signer() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["False"]
