"""The rules about money, docs/rules.md: each is named by a test, and the tests in the table are there and name it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "rules.md"
MONEY = frozenset({4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15})
_ROW = re.compile(r"^\| (\d+) \| (.+) \| `(tests/[\w/]+\.py)::(\w+)` \|$", re.MULTILINE)
_NAMED = re.compile(r"\b(?:[Rr]ules?|[Cc]orrectness) ((?:\d+(?:, | and )?)+)")
_IN_NAME = re.compile(r"^test_rule_(\d+)_")


def rows() -> list[tuple[int, str, str, str]]:
    """Return (rule, what holds, file, function) of every line of the table."""
    return [(int(rule), text, file, function) for rule, text, file, function in _ROW.findall(PAGE.read_text())]


def numbers(text: str) -> set[int]:
    """Return the rules that a text names."""
    return {int(number) for listed in _NAMED.findall(text) for number in re.findall(r"\d+", listed)}


@cache
def named() -> dict[tuple[str, str], frozenset[int]]:
    """Return the rules that each function of a test file names, by its docstring, its name, or its file's docstring."""
    found: dict[tuple[str, str], frozenset[int]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        module = ast.parse(path.read_text(), str(path))
        of_file = numbers(ast.get_docstring(module) or "") if path.name.startswith("test_") else set()
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                own = numbers(ast.get_docstring(node) or "") | of_file
                if match := _IN_NAME.match(node.name):
                    own.add(int(match[1]))
                found[str(path.relative_to(ROOT)), node.name] = frozenset(own)
    return found


def test_every_rule_about_money_is_in_the_table_and_named_by_a_test() -> None:
    told = {rule for rule, *_ in rows()}
    assert MONEY - told == set()
    tests = {rule for (_, function), rules in named().items() if function.startswith("test_") for rule in rules}
    assert MONEY - tests == set()
    assert told - {rule for rules in named().values() for rule in rules} == set()


@pytest.mark.parametrize(("rule", "text", "file", "function"), rows(), ids=lambda value: str(value)[:40])
def test_the_test_in_the_table_is_there_and_names_its_rule(rule: int, text: str, file: str, function: str) -> None:
    assert text.endswith(".")
    assert rule in named().get((file, function), frozenset())


def test_a_rule_is_found_where_it_is_named() -> None:
    assert numbers("Rule 7: at most one. Rules 9 and 10, correctness 13.") == {7, 9, 10, 13}
    assert numbers("as a rule, 7 of 10") == set()
