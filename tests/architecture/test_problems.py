"""Every problem type has its page, which bears its title and its status; and every page has its problem type."""

import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from shared.edge.problem import status_of
from shared.kernel.errors import Bug, Problem

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "problems"


@cache
def problems() -> dict[str, type[Problem]]:
    """Return the class that names each problem type, of all that the platform declares."""
    for path in sorted((ROOT / "shared").rglob("*.py")):
        text = path.read_text()
        if re.search(r"^    type = \"", text, re.MULTILINE):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    known: dict[str, type[Problem]] = {Bug.type: Bug}
    for problem in descendants(Problem):
        if "type" in vars(problem) and problem.__module__.startswith("shared."):
            known.setdefault(problem.type, problem)
    return known


def descendants(problem: type[Problem]) -> Iterator[type[Problem]]:
    for child in problem.__subclasses__():
        yield child
        yield from descendants(child)


def test_the_platforms_problems_are_found() -> None:
    assert {"bug", "invalid", "sold-out", "idempotency-key-missing"} <= set(problems())


@pytest.mark.parametrize("slug", sorted(problems()))
def test_a_problem_has_its_page(slug: str) -> None:
    problem = problems()[slug]
    assert re.fullmatch(r"[a-z][a-z0-9-]*", slug)
    page = PAGES / f"{slug}.md"
    assert page.exists(), f"write docs/problems/{slug}.md: what it means and what to do"
    title, _, rest = page.read_text().partition("\n")
    assert title == f"# {problem.title}"
    status = status_of(problem.__new__(problem))
    assert f"Status {status}." in rest


def test_a_page_has_its_problem() -> None:
    assert sorted(path.stem for path in PAGES.glob("*.md")) == sorted(problems())


def test_two_problems_of_one_type_have_one_title() -> None:
    titles: dict[str, set[str]] = {}
    for problem in descendants(Problem):
        titles.setdefault(problem.type, set()).add(problem.title)
    assert {slug: found for slug, found in titles.items() if len(found) > 1} == {}
