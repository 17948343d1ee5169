"""`python -m triggers check | list | new | build | openapi | docs`: the registry's commands.

check    everything that must be true of registry and functions; one line for each thing that is not
list     the operations as a table (--markdown: as the README shows them)
new      lay out the files of an operation: new orders/add_tip --http "POST /v1/orders/{order_id}/tip"
build    compile the YAML to registry.json, which functions start faster with
openapi  print the description of the HTTP API
docs     write docs/openapi.json, docs/facts.json, the client's operations and the table in README.md
"""

import argparse
import sys
from typing import Final

from triggers.registry import ROOT, RegistryError, build, load

OPENAPI: Final = ROOT / "docs" / "openapi.json"
README: Final = ROOT / "README.md"


def main(arguments: list[str]) -> int:
    """Run one command; return 0 when all is well, 1 for findings, 2 for a registry that can't be read."""
    parser = argparse.ArgumentParser(prog="python -m triggers", description=(__doc__ or "").partition("\n")[2],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check")
    commands.add_parser("list").add_argument("--markdown", action="store_true")
    for name in ("build", "openapi", "docs"):
        commands.add_parser(name)
    new = commands.add_parser("new")
    new.add_argument("operation", help="<service>/<operation>, such as orders/add_tip")
    trigger = new.add_mutually_exclusive_group(required=True)
    trigger.add_argument("--http", metavar='"POST /v1/…"')
    trigger.add_argument("--on", metavar="payment.settled.v1")
    trigger.add_argument("--every", metavar="60s")
    trigger.add_argument("--work", metavar="topic")
    given = parser.parse_args(arguments)
    try:
        return _COMMANDS[given.command](given)
    except RegistryError as wrong:
        sys.stderr.write(f"triggers: {wrong}\n")
        return 2


def _check(given: argparse.Namespace) -> int:
    from triggers import check, published

    found = check.findings() or [*published.findings(), *_stale()]
    for line in found:
        sys.stderr.write(f"{line}\n")
    sys.stdout.write(f"triggers: {len(load())} operations, {len(found) or 'no'} findings\n")
    return 1 if found else 0


def _stale() -> list[str]:
    """Return which derived documents don't show the present registry."""
    from triggers import client
    from triggers.openapi import describe, document
    from triggers.table import inserted

    described = describe(load())
    shown, present = OPENAPI.read_bytes() if OPENAPI.exists() else b"", document(described)
    found = [] if shown == present else [f"{OPENAPI.relative_to(ROOT)}: is not current: python -m triggers docs"]
    found += client.stale(client.sources(described))
    if inserted(README, load()) != README.read_text():
        found.append("README.md: the table of functions is not current: python -m triggers docs")
    return found


def _described() -> bytes:
    from triggers.openapi import describe, document

    return document(describe(load()))


def _list(given: argparse.Namespace) -> int:
    from triggers.table import markdown, plain

    sys.stdout.write((markdown if given.markdown else plain)(load()) + "\n")
    return 0


def _new(given: argparse.Namespace) -> int:
    from triggers.scaffold import lay_out

    keys = {key: getattr(given, key) for key in ("http", "on", "every", "work") if getattr(given, key)}
    for path in lay_out(given.operation, keys):
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


def _build(given: argparse.Namespace) -> int:
    sys.stdout.write(f"{build().relative_to(ROOT)}\n")
    return 0


def _openapi(given: argparse.Namespace) -> int:
    sys.stdout.buffer.write(_described())
    return 0


def _docs(given: argparse.Namespace) -> int:
    from triggers import client
    from triggers.openapi import describe, document
    from triggers.published import publish
    from triggers.table import inserted

    publish()
    described = describe(load())
    OPENAPI.write_bytes(document(described))
    client.write(client.sources(described))
    README.write_text(inserted(README, load()))
    return 0


_COMMANDS: Final = {
    "check": _check,
    "list": _list,
    "new": _new,
    "build": _build,
    "openapi": _openapi,
    "docs": _docs,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
