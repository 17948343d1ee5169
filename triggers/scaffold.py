"""`python -m triggers new <service>/<operation>`: the files of an operation, in the shape that all others have."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from triggers.documents import read_yaml
from triggers.registry import ROOT, Entry, RegistryError, entry_of

_NAME: Final = re.compile(r"([a-z]+)/([a-z][a-z0-9]*(?:_[a-z0-9]+)*)\Z")

_HTTP = '''"""{trigger}: say here what it does."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.{service} import {operation} as rule
from shared.{service}.model import {View}
from shared.wiring.edge import http_function
from shared.wiring.{service} import {service}


@http_function
async def {operation}(request: Request[Nothing, Nothing]) -> Reply[{View}]:
    """{trigger}: say here what it does."""
    return await rule.{operation}(request.body, by=request.by, using={service}())
'''

_CALLED = '''"""{trigger}: say here what it does."""

from shared.edge.cloud_event import {Given}
from shared.{service} import {operation} as rule
from shared.wiring.edge import {decorator}
from shared.wiring.{service} import {service}


@{decorator}
async def {operation}({argument}: {annotation}) -> None:
    """{trigger}: say here what it does."""
    await rule.{operation}({passed}by={argument}.by, using={service}())
'''

_RULE = '''"""{operation}: say here what it does."""

from shared.kernel.decision import By
from shared.{service}.ports import {Ports}


async def {operation}(command: object, *, by: By, using: {Ports}) -> None:
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
        root / "functions" / service / f"{operation}.py": _function(entry),
        root / "shared" / service / f"{operation}.py": _filled(_RULE, entry),
        root / "tests" / "unit" / f"test_{service}_{operation}.py": _filled(_TEST, entry),
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


def _function(entry: Entry) -> str:
    match entry.kind:
        case "http":
            return _filled(_HTTP, entry)
        case "event":
            fact = "".join(part.capitalize() for part in entry.on[0].rsplit(".", 1)[0].replace(".", "_").split("_"))
            module = f"from shared.{entry.service}.facts import {fact}\n"
            text = _filled(_CALLED, entry, "Event", "event_function", "event", f"Event[{fact}]", "event.fact, ")
            return text.replace("from shared.wiring.edge", module + "from shared.wiring.edge", 1)
        case "schedule":
            return _filled(_CALLED, entry, "Tick", "scheduled_function", "tick", "Tick", "")
        case "work":
            model = "".join(part.capitalize() for part in entry.topic.split("-")) + "Work"
            module = f"from shared.{entry.service}.model import {model}\n"
            text = _filled(_CALLED, entry, "Work", "work_function", "work", f"Work[{model}]", "work.body, ")
            return text.replace("from shared.wiring.edge", module + "from shared.wiring.edge", 1)


def _filled(
    template: str,
    entry: Entry,
    given: str = "",
    decorator: str = "",
    argument: str = "",
    annotation: str = "",
    passed: str = "",
) -> str:
    return template.format(
        trigger=entry.trigger,
        service=entry.service,
        operation=entry.operation,
        View=entry.service.removesuffix("s").capitalize() + "View",
        Ports=entry.service.capitalize(),
        Given=given,
        decorator=decorator,
        argument=argument,
        annotation=annotation,
        passed=passed,
    )
