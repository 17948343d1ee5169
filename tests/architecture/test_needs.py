"""What triggers/needs.py says of libraries is what they do."""

import subprocess
import sys

import pytest

from triggers.needs import BRINGS, LIBRARIES, PREFIXES, WATCHED, allowed, beyond, watched
from triggers.registry import entry_of

PROGRAM = """
import importlib, sys
import functions_framework.aio, pydantic
before = set(sys.modules)
for library in sys.argv[1:]:
    importlib.import_module(library)
print("\\n".join(set(sys.modules) - before))
"""


@pytest.mark.parametrize("need", sorted(LIBRARIES))
def test_a_need_brings_what_is_said(need: str) -> None:
    command = [sys.executable, "-c", PROGRAM, *LIBRARIES[need]]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.split()
    prefixes = {prefix for module in loaded if (prefix := watched(module))}
    assert prefixes - {*PREFIXES[need], *BRINGS.get(need, ())} == set()
    assert prefixes & set(PREFIXES[need])


def test_the_base_that_every_function_has_is_not_watched() -> None:
    base = "functions_framework.aio, pydantic, msgspec, shared.edge.serve, shared.wiring.edge"
    command = [sys.executable, "-c", f"import {base}, sys; print(*sys.modules)"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert [module for module in loaded.split() if watched(module)] == []


def test_an_import_beyond_the_needs_is_told() -> None:
    entry = entry_of("orders", "create_order", {"http": "POST /v1/orders", "auth": "customer", "needs": ["postgres"]})
    assert allowed(entry) == {"pg8000"}
    assert beyond(entry, ["pg8000.native", "json", "redis.asyncio", "web3", "jwtish"]) == ["redis", "web3"]


def test_each_prefix_is_watched_once() -> None:
    assert len(set(WATCHED)) == len(WATCHED)
