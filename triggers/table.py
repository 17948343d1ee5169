"""The registry as a table for people: on a terminal, or as Markdown between two marks of README.md."""

import re
from pathlib import Path
from typing import Final

from triggers.registry import Entry, Registry

HEAD: Final = ("operation", "trigger", "who", "needs", "emits")
MAX_CELL: Final = 52
_MARKS: Final = re.compile(r"(<!-- functions: [^\n]*-->\n).*?(<!-- /functions -->)", re.DOTALL)


def row(entry: Entry) -> tuple[str, ...]:
    """Return an entry as it is shown."""
    who = ", ".join(entry.roles) + (" · key" if entry.idempotent else "")
    return f"{entry.service}/{entry.operation}", entry.trigger, who, ", ".join(entry.needs), ", ".join(entry.emits)


def plain(registry: Registry) -> str:
    """Return the table in columns."""
    rows = [HEAD, *([_short(cell) for cell in row(entry)] for entry in registry)]
    widths = [max(len(line[column]) for line in rows) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in rows
    )


def _short(cell: str) -> str:
    """Return a cell that leaves room for the others."""
    return cell if len(cell) <= MAX_CELL else cell[: MAX_CELL - 1] + "…"


def markdown(registry: Registry) -> str:
    """Return the table in Markdown, operations linked to their functions. `key`: Idempotency-Key is required."""
    lines = ["| operation | trigger | who | emits |", "| --- | --- | --- | --- |"]
    for entry in registry:
        name, trigger, who, _, emits = row(entry)
        lines.append(f"| [{name}](functions/{name}.py) | `{trigger}` | {who or '–'} | {emits or '–'} |")
    return "\n".join(lines)


def inserted(readme: Path, registry: Registry) -> str:
    """Return the README with the present table between its marks. Raises ValueError when it has none."""
    text = readme.read_text()
    if not _MARKS.search(text):
        raise ValueError(f"{readme.name} has no marks `<!-- functions: … -->` and `<!-- /functions -->`")
    return _MARKS.sub(lambda found: f"{found[1]}{markdown(registry)}\n{found[2]}", text)
