"""The rules of the house that a reader of one file can't see."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path for folder in ("functions", "shared", "triggers", "emulators") for path in (ROOT / folder).rglob("*.py")
    if "node_modules" not in path.parts
)  # fmt: skip
DEPLOYED = [path for path in SOURCES if path.relative_to(ROOT).parts[0] != "emulators"]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
ENTRY_POINT_LINES = 25
FILE_LINES = 400
FUNCTION_LINES = 50
LONGER = {"shared/settings.py"}
"""A list of small types, one for each need, that nobody reads from end to end."""
SQL = re.compile(
    r"(?is)^\s*(select\b.+\bfrom\b|insert\s+into\b|update\s+\w+\s+set\b|delete\s+from\b|create\s+(table|index)\b|with\s+\w+\s+as\s*\()"
)
VAGUE = re.compile(r"(^|_)(utils?|helpers?|common|manager|misc)(_|$)")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def docstrings(module: ast.Module) -> set[int]:
    """Return the ids of the nodes that are docstrings."""
    return {
        id(node.body[0].value)
        for node in ast.walk(module)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings of a file that are no docstrings, with their lines."""
    module = tree(path)
    described = docstrings(module)
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described:
            yield node.lineno, node.value


def test_sql_stands_in_the_postgres_adapter_alone() -> None:
    elsewhere = [path for path in DEPLOYED if (ROOT / "shared/adapters/postgres") not in path.parents]
    found = [f"{name(path)}:{line}" for path in elsewhere for line, text in texts(path) if SQL.match(text)]
    assert found == []


def test_sql_would_be_found() -> None:
    for statement in (
        "select 1 from t",
        " insert into t values (1)",
        "update t set a = 1",
        "with a as (select 1) select",
    ):
        assert SQL.match(statement)
    assert not SQL.match("select an asset to pay with")


@pytest.mark.parametrize("path", sorted((ROOT / "functions").glob("*/*.py")), ids=name)
def test_an_entry_point_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= ENTRY_POINT_LINES


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines of code a function has; a text of many lines, such as SQL, is one."""
    texts = {
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(function)
        if isinstance(node, ast.Constant | ast.JoinedStr)
    }
    hidden = {line for first, last in texts for line in range(first + 1, last + 1)}
    return (function.end_lineno or 0) - function.lineno + 1 - len(hidden)


def test_files_and_functions_can_be_read_at_once() -> None:
    long = [name(path) for path in SOURCES if len(path.read_text().splitlines()) > FILE_LINES]
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines_of(node) > FUNCTION_LINES:
                long.append(f"{name(path)}: {node.name} has {lines_of(node)} lines")
    assert sorted(set(long) - LONGER) == []


def asserts(loop: ast.While) -> bool:
    return any(isinstance(node, ast.Assert) for node in ast.walk(loop))


def sleeps(path: Path, *modules: str) -> set[int]:
    """Return the lines where a file sleeps, but for loops that wait for a condition or assert a deadline."""
    waited = {
        id(node)
        for loop in ast.walk(tree(path))
        if isinstance(loop, ast.While) and (ast.unparse(loop.test) != "True" or asserts(loop))
        for node in ast.walk(loop)
    }
    return {
        node.lineno
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "sleep"
        and ast.unparse(node.func.value) in modules
        and ast.unparse(node.args[0]) != "0"
        and id(node) not in waited
    }


def test_nobody_sleeps_a_thread() -> None:
    """A thread that sleeps in a function keeps all its callers waiting. The client is its caller's own program."""
    functions = [path for path in DEPLOYED if ROOT / "shared/client" not in path.parents]
    assert [f"{name(path)}:{line}" for path in functions for line in sleeps(path, "time")] == []


def test_tests_wait_for_conditions() -> None:
    """A sleep in a test is too short on one machine and too long on all others."""
    files = [path for path in TESTS if path.name.startswith("test_")]
    assert [f"{name(path)}:{line}" for path in files for line in sleeps(path, "time", "asyncio")] == []


def test_names_say_what_is_inside() -> None:
    assert [name(path) for path in SOURCES if any(VAGUE.search(part.removesuffix(".py")) for part in path.parts)] == []


def test_every_module_says_what_it_is_for() -> None:
    assert [name(path) for path in SOURCES if not ast.get_docstring(tree(path))] == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    found = [
        f"{name(path)}:{node.lineno}"
        for path in TESTS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and node.attr in ("skip", "skipif", "xfail", "importorskip")
        and ast.unparse(node.value).startswith("pytest")
    ]
    assert found == []
