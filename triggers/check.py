"""`python -m triggers check`: everything that must be true of the registry and the functions behind it."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import jsonschema
import msgspec

from triggers.documents import read_yaml
from triggers.needs import KEYS, SLOW, beyond
from triggers.probe import ask, facts
from triggers.registry import ROOT, TRIGGERS, Entry, RegistryError, entry_of

_STAFF: Final = frozenset({"owner", "manager", "barista"})


def findings() -> list[str]:
    """Return one line for each thing that is wrong, the document first that has to change; empty when nothing is."""
    found, entries = declared(TRIGGERS)
    found += [*alone(entries), *repeated(entries), *files(entries), *told_of_facts(entries, facts())]
    loadable = [entry for entry in entries if entry.source.exists()]
    for operation, told in sorted(ask(loadable).items()):
        entry = next(entry for entry in loadable if entry.operation == operation)
        found += [f"{where(entry)}: {told.error}"] if told.error else []
        found += [
            f"{where(entry)}: loads {prefix}, which its needs don't allow" for prefix in beyond(entry, told.modules)
        ]
    return found


def where(entry: Entry) -> str:
    """Return where an entry stands, as a finding names it."""
    return f"triggers/{entry.service}.yaml: {entry.operation}"


def declared(directory: Path) -> tuple[list[str], list[Entry]]:
    """Return what is wrong with the YAML files by the schema, and the entries that can be read."""
    schema = jsonschema.Draft202012Validator(msgspec.json.decode((TRIGGERS / "schema.json").read_bytes()))
    found, entries = [], []
    for source in sorted(directory.glob("*.yaml")):
        try:
            document = read_yaml(source)
        except RegistryError as wrong:
            found.append(f"triggers/{wrong}")
            continue
        for operation, keys in document.items():
            errors = list(schema.iter_errors({operation: keys}))
            found += [f"triggers/{source.name}: {operation}: {_said(error)}" for error in errors]
            if not errors:
                entries.append(entry_of(source.stem, operation, keys))
    return found, entries


def _said(error: jsonschema.ValidationError) -> str:
    """Return what the schema has against an entry, in the words of the deepest cause."""
    if error.validator == "oneOf" and "safe" in str(error.validator_value):
        return "a write is `idempotent: true`, or says in `safe: …` why repeating it is harmless"
    deepest = jsonschema.exceptions.best_match([error])
    path = ".".join(str(step) for step in list(deepest.absolute_path)[1:])
    return f"{path}: {deepest.message}" if path else str(deepest.message)


def alone(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield what is wrong with single entries."""
    for entry in entries:
        if entry.operation in sys.stdlib_module_names:
            yield f"{where(entry)}: has the name of a module of Python's library, which its file would hide"
        if entry.method == "GET" and (entry.idempotent or entry.safe or entry.emits):
            yield f"{where(entry)}: a GET changes nothing: it has neither idempotent nor safe nor emits"
        if entry.idempotent and entry.public:
            yield f"{where(entry)}: idempotent and public: a key belongs to a caller, and the public is none"
        if (entry.idempotent or _STAFF & set(entry.roles)) and "postgres" not in entry.needs:
            yield f"{where(entry)}: needs postgres: that is where keys are looked up"
        if entry.kind == "http" and (slow := SLOW & set(entry.needs)):
            yield f"{where(entry)}: a caller waits for it, so it can't need {', '.join(sorted(slow))}"
        if entry.kind == "http" and KEYS in entry.needs:
            yield f"{where(entry)}: clients reach it, so it can't need {KEYS}"
        if len(set(entry.variables)) != len(entry.variables):
            yield f"{where(entry)}: a variable stands twice in {entry.path}"


def repeated(entries: list[Entry]) -> Iterator[str]:
    """Yield what two entries have and only one may."""
    for operation, count in Counter(entry.operation for entry in entries).items():
        if count > 1:
            yield f"triggers/*.yaml: {operation}: declared {count} times; names are unique across services"
    routes = Counter(
        (entry.method, tuple("{}" if segment.startswith("{") else segment for segment in entry.path.split("/")))
        for entry in entries
        if entry.kind == "http"
    )
    for (method, path), count in routes.items():
        if count > 1:
            yield f"triggers/*.yaml: {method} {'/'.join(path)}: {count} operations have this route"
    for topic, count in Counter(entry.topic for entry in entries if entry.kind == "work").items():
        if count > 1:
            yield f"triggers/*.yaml: work {topic}: {count} operations; each side effect has a topic of its own"


def files(entries: Iterable[Entry], root: Path = ROOT) -> Iterator[str]:
    """Yield entries without a function file, and function files without an entry."""
    sources = {entry.source: entry for entry in entries}
    for source, entry in sources.items():
        if not source.exists():
            yield f"{where(entry)}: there is no {source.relative_to(ROOT)}"
    for source in sorted((root / "functions").glob("*/*.py")):
        if source.name != "__init__.py" and source not in sources:
            name = source.relative_to(root)
            yield f"{name}: has no entry {source.stem} in triggers/{source.parent.name}.yaml"


def told_of_facts(entries: Iterable[Entry], known: dict[str, str]) -> Iterator[str]:
    """Yield facts that are taken and nobody declares, or emitted by a service that does not declare them."""
    for entry in entries:
        for type_ in entry.on:
            if type_ not in known:
                yield f"{where(entry)}: no facts.py declares {type_}"
        for type_ in entry.emits:
            if known.get(type_, "").rpartition(".")[0] != f"shared.{entry.service}":
                yield f"{where(entry)}: shared/{entry.service}/facts.py does not declare {type_}"
