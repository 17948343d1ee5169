"""The registry as values: `load()` gives every operation with its trigger, and answers who is called by what.

`python -m triggers build` compiles the YAML to `registry.json`, so that a function need not parse YAML when it starts.
The compiled file carries a digest of its sources: one that does not fit them is ignored. Imports the standard library
and msgspec only; whoever needs the registry may import it.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import msgspec

ROOT: Final = Path(__file__).resolve().parent.parent
TRIGGERS: Final = ROOT / "triggers"
COMPILED: Final = "registry.json"
DEFAULT_BODY_LIMIT: Final = 64 * 1024

Kind = Literal["http", "event", "schedule", "work"]
_PERIOD = re.compile(r"([1-9][0-9]*)(s|m|h)\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


class RegistryError(Exception):
    """The registry can't be read; the message names the file, the entry and what to change."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One operation and what triggers it."""

    operation: str
    service: str
    kind: Kind
    method: str = ""
    path: str = ""
    """Template of an HTTP route: '/v1/orders/{order_id}'."""
    roles: tuple[str, ...] = ()
    idempotent: bool = False
    safe: str = ""
    """Why a write needs no Idempotency-Key."""
    release: Literal["local", "remote"] = "local"
    needs: tuple[str, ...] = ()
    emits: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    """Fact types an event function is called with."""
    every_s: int = 0
    """Period of a scheduled function, in seconds."""
    topic: str = ""
    """Pub/Sub topic of a work function."""
    body_limit: int = DEFAULT_BODY_LIMIT
    """Largest accepted request body, in bytes."""
    status: int = 200
    """HTTP status of success, as the API description states it."""
    existing: int = 0
    """HTTP status when what shall be made is there already; 0 where that is no success, or can't be."""
    produces: tuple[str, ...] = ("application/json",)

    @property
    def target(self) -> str:
        """Return the name of the function: the same as the operation's."""
        return self.operation

    @property
    def source(self) -> Path:
        """Return the absolute path of the file that defines the function."""
        return ROOT / "functions" / self.service / f"{self.operation}.py"

    @property
    def group(self) -> str:
        """Return the name under which an event function's progress is kept."""
        return f"{self.service}.{self.operation}"

    @property
    def public(self) -> bool:
        """Return whether anybody may call this HTTP route."""
        return "public" in self.roles

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the names in the path template, in order."""
        return tuple(s[1:-1] for s in self.path.split("/") if s.startswith("{"))

    @property
    def trigger(self) -> str:
        """Return the trigger as people read it: 'POST /v1/orders', 'on payment.settled.v1', 'every 60s', 'work x'."""
        match self.kind:
            case "http":
                return f"{self.method} {self.path}"
            case "event":
                return "on " + ", ".join(self.on)
            case "schedule":
                return f"every {self.every_s}s"
            case "work":
                return f"work {self.topic}"


@dataclass(frozen=True, slots=True)
class Match:
    """The route that a request means, and what stood where its template has variables."""

    entry: Entry
    values: Mapping[str, str]


class Registry:
    """Every operation, found by name, fact, topic or route."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(sorted(entries, key=lambda entry: (entry.service, entry.operation)))
        self._by_name = {entry.operation: entry for entry in self.entries}
        self._static: dict[tuple[str, str], Entry] = {}
        self._templates: dict[int, list[tuple[tuple[str, ...], Entry]]] = {}
        for entry in self.http():
            if not entry.variables:
                self._static[entry.method, entry.path] = entry
                continue
            segments = tuple(entry.path.split("/"))
            self._templates.setdefault(len(segments), []).append((segments, entry))
        for same_length in self._templates.values():
            same_length.sort(key=lambda known: [segment.startswith("{") for segment in known[0]])

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, operation: object) -> bool:
        return operation in self._by_name

    def __getitem__(self, operation: str) -> Entry:
        """Return the entry of an operation. Raises RegistryError when there is none."""
        try:
            return self._by_name[operation]
        except KeyError:
            raise RegistryError(f"no operation {operation} in triggers/*.yaml: add its entry there") from None

    def http(self) -> tuple[Entry, ...]:
        """Return the operations that are called over HTTP by clients."""
        return tuple(entry for entry in self.entries if entry.kind == "http")

    def events(self) -> tuple[Entry, ...]:
        """Return the operations that are called with facts."""
        return tuple(entry for entry in self.entries if entry.kind == "event")

    def schedules(self) -> tuple[Entry, ...]:
        """Return the operations that are called on a period."""
        return tuple(entry for entry in self.entries if entry.kind == "schedule")

    def works(self) -> tuple[Entry, ...]:
        """Return the operations that are called with work from a Pub/Sub topic."""
        return tuple(entry for entry in self.entries if entry.kind == "work")

    def by_fact(self) -> dict[str, tuple[Entry, ...]]:
        """Return which operations each fact type triggers."""
        called: dict[str, list[Entry]] = {}
        for entry in self.events():
            for type_ in entry.on:
                called.setdefault(type_, []).append(entry)
        return {type_: tuple(entries) for type_, entries in sorted(called.items())}

    def match(self, method: str, path: str) -> Match | None:
        """Return the route a request means, or None. HEAD means GET. A literal segment wins over a variable."""
        wanted = "GET" if method == "HEAD" else method
        static = self._static.get((wanted, path))
        if static is not None:
            return Match(static, {})
        for entry, values in self._of_path(path):
            if entry.method == wanted:
                return Match(entry, values)
        return None

    def allowed(self, path: str) -> tuple[str, ...]:
        """Return the methods that some route accepts on this path; empty when the path means nothing."""
        methods = {method for method, static in self._static if static == path}
        methods |= {entry.method for entry, _ in self._of_path(path)}
        if "GET" in methods:
            methods.add("HEAD")
        return tuple(sorted(methods))

    def _of_path(self, path: str) -> Iterator[tuple[Entry, dict[str, str]]]:
        segments = path.split("/")
        for template, entry in self._templates.get(len(segments), ()):
            values = {}
            for known, given in zip(template, segments, strict=True):
                if known[:1] == "{" and given:
                    values[known[1:-1]] = given
                elif known != given:
                    break
            else:
                yield entry, values


class _Compiled(msgspec.Struct, frozen=True):
    """The content of registry.json."""

    digest: str
    entries: tuple[Entry, ...]


@functools.lru_cache(maxsize=8)
def load(directory: Path = TRIGGERS) -> Registry:
    """Return the registry in `directory`, compiled if that is current, else read from its YAML.

    Raises RegistryError when a file is not valid.
    """
    sources = sorted(directory.glob("*.yaml"))
    compiled = directory / COMPILED
    if compiled.exists() and (stored := _compiled(compiled, sources)) is not None:
        return Registry(stored.entries)
    return Registry(entry for source in sources for entry in _entries_of(source))


def build(directory: Path = TRIGGERS) -> Path:
    """Compile the YAML in `directory` to its registry.json and return where that is."""
    sources = sorted(directory.glob("*.yaml"))
    registry = Registry(entry for source in sources for entry in _entries_of(source))
    compiled = directory / COMPILED
    fresh = compiled.with_suffix(".json.new")
    fresh.write_bytes(msgspec.json.encode(_Compiled(_digest(sources), registry.entries)))
    fresh.replace(compiled)
    return compiled


def _compiled(compiled: Path, sources: Sequence[Path]) -> _Compiled | None:
    """Return the compiled registry, or None when it is of other sources, or of another version of this module."""
    try:
        stored = msgspec.json.decode(compiled.read_bytes(), type=_Compiled)
    except msgspec.DecodeError as wrong:
        if sources:
            return None
        raise RegistryError(f"{compiled.name} can't be read ({wrong}), and there is no YAML beside it") from wrong
    return stored if not sources or stored.digest == _digest(sources) else None


def _digest(sources: Iterable[Path]) -> str:
    digest = sha256()
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()


def _entries_of(source: Path) -> Iterator[Entry]:
    from triggers.documents import read_yaml

    for operation, keys in read_yaml(source).items():
        try:
            yield entry_of(source.stem, operation, keys)
        except (RegistryError, msgspec.ValidationError) as wrong:
            raise RegistryError(f"{source.name}: {operation}: {wrong}") from wrong


class _Declared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of an entry as they stand in the YAML."""

    http: str = ""
    on: str | list[str] = ""
    every: str = ""
    work: str = ""
    auth: str | list[str] = ""
    idempotent: bool = False
    safe: str = ""
    release: Literal["local", "remote"] = "local"
    needs: list[str] = []
    emits: list[str] = []
    body_limit: int = DEFAULT_BODY_LIMIT
    status: int = 200
    existing: int = 0
    produces: list[str] = msgspec.field(default_factory=lambda: ["application/json"])


def entry_of(service: str, operation: str, keys: object) -> Entry:
    """Return the entry that a YAML mapping declares. Raises RegistryError or msgspec.ValidationError."""
    declared = msgspec.convert(keys, _Declared)
    triggers = [name for name in ("http", "on", "every", "work") if getattr(declared, name)]
    if len(triggers) != 1:
        raise RegistryError(f"give exactly one of http, on, every, work (there are {len(triggers)})")
    kind: Kind = {"http": "http", "on": "event", "every": "schedule", "work": "work"}[triggers[0]]  # type: ignore[assignment]  # the values are Kinds
    method, _, path = declared.http.partition(" ")
    if kind == "http" and not declared.auth:
        raise RegistryError("say who may call it: auth: public | customer | owner | manager | barista")
    return Entry(
        operation=operation,
        service=service,
        kind=kind,
        method=method,
        path=path.strip(),
        roles=_listed(declared.auth),
        idempotent=declared.idempotent,
        safe=declared.safe,
        release=declared.release,
        needs=tuple(declared.needs),
        emits=tuple(declared.emits),
        on=_listed(declared.on),
        every_s=_seconds(declared.every),
        topic=declared.work,
        body_limit=declared.body_limit,
        status=declared.status,
        existing=declared.existing,
        produces=tuple(declared.produces),
    )


def _listed(value: str | list[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(value)


def _seconds(period: str) -> int:
    if not period:
        return 0
    parts = _PERIOD.match(period)
    if parts is None:
        raise RegistryError("a period is a whole number of s, m or h, such as 60s")
    return int(parts[1]) * _SECONDS[parts[2]]
