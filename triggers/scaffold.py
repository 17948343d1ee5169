"""`python -m triggers new <service>/<operation>`: the files of an operation, in the shape that all others have."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from triggers.documents import read_yaml
from triggers.registry import ROOT, Entry, RegistryError, entry_of

_NAME: Final = re.compile(r"([a-z]+)/([a-z][a-z0-9]*(?:_[a-z0-9]+)*)\Z")

_FUNCTION = '''"""{trigger}: say here what it does."""

{imports}


@{decorator}
async def {operation}({given}) -> {answer}:
    """{trigger}: say here what it does."""
    {returns}await rule.{operation}({passed}by={by}.by, using={service}())
'''

_RULE = '''"""{operation}: say here what it does."""

{imports}


async def {operation}({takes}*, by: By, using: {Ports}) -> {answer}:
    """Load, decide, append. Say what comes back and what it raises."""
    raise NotImplementedError("{operation}: load what it must know, decide, append")
'''

_TEST = '''"""{operation}: its rule, its bad input."""

import pytest


def test_{operation}_does_what_it_says() -> None:
    pytest.fail("say what {operation} must do, as the name of a test, and prove it")
'''


def lay_out(name: str, keys: Mapping[str, str], root: Path = ROOT) -> list[Path]:
    """Write entry, function, rule and test of an operation; return the files. Raises RegistryError, writing nothing."""
    parts = _NAME.match(name)
    if parts is None:
        raise RegistryError(f"{name}: an operation is <service>/<verb_noun>, such as orders/add_tip")
    service, operation = parts[1], parts[2]
    registry = root / "triggers" / f"{service}.yaml"
    if registry.exists() and operation in read_yaml(registry):
        raise RegistryError(f"{registry.name} has {operation} already")
    entry = entry_of(service, operation, {**keys, **({"auth": "customer"} if "http" in keys else {})})
    files = {
        root / "functions" / service / f"{operation}.py": _function(entry, root),
        root / "shared" / service / f"{operation}.py": _rule(entry, root),
        root / "tests" / "unit" / f"test_{service}_{operation}.py": _TEST.format(operation=operation),
    }
    for path in files:
        if path.exists():
            raise RegistryError(f"{path.relative_to(root)} is there already")
    registry.parent.mkdir(parents=True, exist_ok=True)
    with registry.open("a") as document:
        document.write(_entry(entry, keys))
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return [registry, *files]


def _entry(entry: Entry, keys: Mapping[str, str]) -> str:
    lines = [f"\n{entry.operation}:", *(f"  {key}: {value}" for key, value in keys.items())]
    if entry.kind == "http":
        lines.append("  auth: customer")
        lines += ["  idempotent: true"] if entry.method != "GET" else []
    return "\n".join([*lines, "  needs: [postgres]"]) + "\n"


@dataclass(frozen=True)
class _Shape:
    """What a trigger makes of an operation: what the function is given, and what of it the rule is."""

    decorator: str
    edge: tuple[str, str]  # what the function's signature needs: module, names
    given: str  # the function's argument
    passed: str  # what of it the rule is passed, or nothing
    takes: str  # as what the rule takes it
    model: tuple[str, str] | None  # where the type that it takes lies: module, name
    view: str | None = None  # what the rule answers; None for who is not answered


def _shape(entry: Entry, root: Path) -> _Shape:
    model = f"shared.{entry.service}.model"
    match entry.kind:
        case "http":
            view = entry.service.removesuffix("s").capitalize() + "View"
            edge = ("shared.edge.http", "Nothing, Request")
            if not entry.variables:
                return _Shape("http_function", edge, "request: Request[Nothing, Nothing]", "", "", None, view)
            path = entry.variables[-1].removesuffix("_id").capitalize() + "Path"
            given = f"request: Request[Nothing, {path}]"
            return _Shape("http_function", edge, given, "request.params, ", f"path: {path}, ", (model, path), view)
        case "event":
            module, fact = _fact(entry, root)
            edge = ("shared.edge.cloud_event", "Event")
            given, takes = f"event: Event[{fact}]", f"fact: {fact}, "
            return _Shape("event_function", edge, given, "event.fact, ", takes, (module, fact))
        case "schedule":
            return _Shape("scheduled_function", ("shared.edge.cloud_event", "Tick"), "tick: Tick", "", "", None)
        case "work":
            work = "".join(part.capitalize() for part in entry.topic.split("-")) + "Work"
            edge = ("shared.edge.cloud_event", "Work")
            return _Shape("work_function", edge, f"work: Work[{work}]", "work.body, ", f"work: {work}, ", (model, work))


def _fact(entry: Entry, root: Path) -> tuple[str, str]:
    """Return the module and the class of the fact that the entry is woken by, as its publisher calls it."""
    wanted = re.compile(rf'^class (\w+)\((?:(?!^class ).)*?"{re.escape(entry.on[0])}"', re.MULTILINE | re.DOTALL)
    for path in sorted((root / "shared").glob("*/facts.py")):
        if found := wanted.search(path.read_text()):
            return f"shared.{path.parent.name}.facts", found[1]
    words = entry.on[0].rsplit(".", 1)[0].replace(".", "_").split("_")
    return f"shared.{entry.service}.facts", "".join(word.capitalize() for word in words)


def _function(entry: Entry, root: Path) -> str:
    shape = _shape(entry, root)
    argument = shape.given.partition(":")[0]
    service = entry.service
    return _FUNCTION.format(
        trigger=entry.trigger,
        imports=_imports(
            shape.edge,
            (f"shared.{service}", f"{entry.operation} as rule"),
            ("shared.wiring.edge", shape.decorator),
            (f"shared.wiring.{service}", service),
            *_answer_imports(entry, shape),
        ),
        decorator=shape.decorator,
        operation=entry.operation,
        given=shape.given,
        answer=f"Reply[{shape.view}]" if shape.view else "None",
        returns="return " if shape.view else "",
        passed=shape.passed,
        by=argument,
        service=service,
    )


def _rule(entry: Entry, root: Path) -> str:
    shape = _shape(entry, root)
    ports = entry.service.capitalize()
    return _RULE.format(
        operation=entry.operation,
        imports=_imports(
            ("shared.kernel.decision", "By"),
            (f"shared.{entry.service}.ports", ports),
            *_answer_imports(entry, shape),
        ),
        takes=shape.takes,
        Ports=ports,
        answer=f"Reply[{shape.view}]" if shape.view else "None",
    )


def _answer_imports(entry: Entry, shape: _Shape) -> list[tuple[str, str]]:
    """Return where the types lie that function and rule share."""
    found = [shape.model] if shape.model else []
    if shape.view:
        found += [("shared.kernel.reply", "Reply"), (f"shared.{entry.service}.model", shape.view)]
    return found


def _imports(*wanted: tuple[str, str]) -> str:
    """Return import lines in the order that the linter wants, one a module."""
    names: dict[str, set[str]] = {}
    for module, listed in wanted:
        names.setdefault(module, set()).update(listed.split(", "))
    return "\n".join(f"from {module} import {', '.join(sorted(names[module]))}" for module in sorted(names))
