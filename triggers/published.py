"""The schemas of published facts, `docs/facts.json`: what consumers rely on, so it only ever grows by optional fields.

`python -m triggers docs` adds new facts and new optional fields to the file; `check` finds anything else, and two facts
that say the same.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from triggers.registry import ROOT, RegistryError

PUBLISHED: Final = ROOT / "docs" / "facts.json"
Schemas = Mapping[str, dict[str, Any]]
_PROSE: Final = frozenset({"title", "description", "examples", "default"})


def present() -> Schemas:
    """Return the JSON schema of every declared fact, by type: what is on the wire under `data`."""
    from shared.kernel.facts import declared

    for module in sorted((ROOT / "shared").glob("*/facts.py")):
        importlib.import_module(f"shared.{module.parent.name}.facts")
    return {
        type_: _without_prose(fact.model_json_schema(mode="serialization"))
        for type_, fact in sorted(declared().items())
        if fact.__module__.startswith("shared.") and not fact.__subclasses__()
    }


def document(schemas: Schemas) -> bytes:
    """Return the file's content."""
    return msgspec.json.format(msgspec.json.encode(schemas, order="sorted"), indent=1) + b"\n"


def published(path: Path = PUBLISHED) -> Schemas:
    """Return the schemas as they were published. Nothing was, where there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Any]]) if path.exists() else {}


def publish(path: Path = PUBLISHED) -> None:
    """Write the present schemas. Raises RegistryError rather than take back what was published."""
    broken = list(taken_back(published(path), present()))
    if broken:
        raise RegistryError(f"{broken[0]}; publish a new version of the fact instead")
    path.write_bytes(document(present()))


def findings(path: Path = PUBLISHED) -> list[str]:
    """Return what is wrong with the published schemas, one line each."""
    now = present()
    found = [*taken_back(published(path), now), *duplicates(now)]
    if not found and (path.read_bytes() if path.exists() else b"") != document(now):
        found.append(f"{path.relative_to(ROOT)}: is not current: python -m triggers docs")
    return found


def taken_back(before: Schemas, now: Schemas) -> Iterator[str]:
    """Yield each promise of `before` that `now` does not keep."""
    for type_, schema in before.items():
        if type_ not in now:
            yield f"{type_}: was published and is gone"
        else:
            yield from _differences(schema, now[type_], type_)
            for name, definition in schema.get("$defs", {}).items():
                yield from _differences(definition, now[type_].get("$defs", {}).get(name, {}), f"{type_} {name}")


def duplicates(schemas: Schemas) -> Iterator[str]:
    """Yield facts of one prefix and name that say the very same in two versions: the newer one has no reason."""
    seen: dict[tuple[str, bytes], str] = {}
    for type_, schema in schemas.items():
        key = (type_.rpartition(".v")[0], msgspec.json.encode(schema, order="sorted"))
        if key in seen:
            yield f"{type_}: says exactly what {seen[key]} says"
        seen[key] = type_


def _differences(before: dict[str, Any], now: dict[str, Any], where: str) -> Iterator[str]:
    fields, kept = before.get("properties"), now.get("properties", {})
    if fields is None:
        if not _covers(before, now):
            yield f"{where}: changed from {_said(before)} to {_said(now)}"
        return
    for name, schema in fields.items():
        if name not in kept:
            yield f"{where}: lost {name}"
        elif not _covers(schema, kept[name]):
            yield f"{where}: {name} changed from {_said(schema)} to {_said(kept[name])}"
    required = set(now.get("required", ()))
    for name in sorted(set(before.get("required", ())) - required):
        yield f"{where}: {name} was always there and is optional now"
    for name in sorted(required - fields.keys()):
        yield f"{where}: {name} is new and required; a new field is optional"


def _covers(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Return whether a consumer of `before` understands `now`: equal, but for values added to an enumeration.

    An enumeration of strings may be opened to a pattern that all its values match.
    """
    if "enum" in before and "enum" in now:
        rest = [{key: value for key, value in schema.items() if key != "enum"} for schema in (before, now)]
        return rest[0] == rest[1] and set(before["enum"]) <= set(now["enum"])
    if "enum" in before and "pattern" in now:
        return before.get("type") == now.get("type") and all(re.search(now["pattern"], each) for each in before["enum"])
    return before == now


def _said(schema: dict[str, Any]) -> str:
    return msgspec.json.encode(schema, order="sorted").decode()


def _without_prose(schema: Any) -> Any:
    """Return a schema without words for people: they may change at any time."""
    if isinstance(schema, dict):
        return {
            key: {name: _without_prose(inner) for name, inner in value.items()}
            if key in ("properties", "$defs")
            else _without_prose(value)
            for key, value in schema.items()
            if key not in _PROSE
        }
    return [_without_prose(each) for each in schema] if isinstance(schema, list) else schema
