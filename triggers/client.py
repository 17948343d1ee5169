"""The typed client's operations, written from the registry: one function for each route, one file for each service.

What a function is given and returns are the models of `Request[…]` and `Reply[…]`, so nothing about the API is written
down a second time. `python -m triggers docs` writes the files, `check` finds one that is not current.
"""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from shared.edge.request import Nothing
from triggers.openapi import Described
from triggers.registry import ROOT

FOLDER: Final = ROOT / "shared" / "client" / "operations"
_MOST: Final = 110
"""Characters of the sentence about an operation."""


def sources(described: Iterable[Described]) -> dict[Path, str]:
    """Return the text of every file, formatted. Raises CalledProcessError when the formatter refuses it."""
    services: dict[str, list[Described]] = {}
    for one in described:
        services.setdefault(one.entry.service, []).append(one)
    return {
        FOLDER / f"{service}.py": _formatted(_file(service, operations))
        for service, operations in sorted(services.items())
    }


def stale(files: Mapping[Path, str]) -> list[str]:
    """Return the files that are not current, and those of services that are no more."""
    there = {path for path in FOLDER.glob("*.py") if path.name != "__init__.py"}
    changed = {path for path, text in files.items() if path not in there or path.read_text() != text}
    return [
        f"{path.relative_to(ROOT)}: is not current: python -m triggers docs"
        for path in sorted(changed | there - files.keys())
    ]


def write(files: Mapping[Path, str]) -> None:
    """Write the files, and remove those of services that are no more."""
    for path in FOLDER.glob("*.py"):
        if path.name != "__init__.py" and path not in files:
            path.unlink()
    for path, text in files.items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _file(service: str, operations: list[Described]) -> str:
    imports: dict[str, set[str]] = {"shared.client.call": {"Call", "call"}}
    functions = [_function(one, imports) for one in sorted(operations, key=lambda one: one.entry.operation)]
    lines = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(imports.items())]
    head = f'"""The calls of {service}. Written by `python -m triggers docs` from the registry; not to be edited."""'
    return "\n".join([head, "", *lines, "", "", "\n\n\n".join(functions), ""])


def _function(one: Described, imports: dict[str, set[str]]) -> str:
    entry, shape = one.entry, one.shape
    path, given, passed = entry.path, [], []
    for variable in entry.variables:
        given.append(f"{variable}: str")
        path = path.replace(f"{{{variable}}}", f"{{segment({variable})}}")
    if entry.variables:
        imports["shared.client.call"].add("segment")
    if shape.has_body:
        given.append(f"body: {_named(shape.body, imports)}")
        passed.append("body=body")
    keywords: list[str] = []
    queried = [name for name in shape.params.model_fields if name not in entry.variables]
    if shape.params is not Nothing and queried:
        imports["shared.client.call"].add("Scalar")
        for name in queried:
            required = shape.params.model_fields[name].is_required()
            keywords.append(f"{name}: Scalar" if required else f"{name}: Scalar = None")
        passed.append("query={" + ", ".join(f'"{name}": {name}' for name in queried) + "}")
    if entry.idempotent:
        keywords.append("key: str | None = None")
        passed.append("idempotent=True, key=key")
    if entry.method != "GET" and entry.variables:
        keywords.append("if_match: int | None = None")
        passed.append("if_match=if_match")
    if entry.produces != ("application/json",):
        passed.append(f"accept={entry.produces[0]!r}" if len(entry.produces) == 1 else "accept='*/*'")
    view = _view(shape.view, imports)
    signature = ", ".join([*given, *(["*", *keywords] if keywords else [])])
    first = one.text.partition("\n")[0]
    text = first if len(first) <= _MOST else first[: _MOST - 1].rpartition(" ")[0] + " …"
    where = f'f"{path}"' if entry.variables else f'"{path}"'
    arguments = ", ".join([f'"{entry.operation}"', f'"{entry.method}"', where, view, *passed])
    return (
        f"def {entry.operation}({signature}) -> Call[{view}]:\n"
        f'    """{text.replace(chr(34), chr(39))}"""\n'
        f"    return call({arguments})"
    )


def _view(view: object, imports: dict[str, set[str]]) -> str:
    if isinstance(view, type) and issubclass(view, BaseModel):
        return _named(view, imports)
    return "None" if view is None else "bytes"


def _named(model: type[BaseModel], imports: dict[str, set[str]]) -> str:
    imports.setdefault(model.__module__, set()).add(model.__name__)
    return model.__name__


def _formatted(text: str) -> str:
    for command in (("check", "--fix", "--quiet", "--select", "I"), ("format", "--quiet")):
        program = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(FOLDER / "any.py"), "-"]
        text = subprocess.run(program, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return text
