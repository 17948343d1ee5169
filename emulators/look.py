"""`make logs FN=…`, `make trace ORDER=…`, `make reload`: look at the running platform, or start its programs anew."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from emulators.component import LOCAL, ComponentFailed, shown
from emulators.platform import running_env

_TAIL_LINES = 40
_LOOK_EVERY_S = 0.2


def main(arguments: list[str]) -> int:
    """Do what the first argument names. Return 1 with one line on standard error when it can't be done."""
    workdir = LOCAL / (os.environ.get("PROFILE") or "full")
    try:
        env = running_env(workdir)
        match arguments, env:
            case _, None:
                raise ComponentFailed("the platform does not run here: start it with `make run`")
            case ["logs", *names], _:
                logs(workdir / "logs", names[0] if names else "")
            case ["trace", order], dict():
                show_trace(env, order)
            case ["reload"], dict():
                os.kill(int(env["CORTADO_RUN_PID"]), signal.SIGHUP)
                print("functions, relay, dispatcher and ticker are started anew; `make run` shows when they serve")
            case _:
                raise ComponentFailed("say what: make logs FN=create_order, make trace ORDER=ord_…, make reload")
    except ComponentFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def logs(folder: Path, name: str) -> None:
    """Print the last lines of a function or program, and those that come, until interrupted.

    Raises ComponentFailed when there is no such log.
    """
    own = folder / f"{name}.log"
    if own.exists():
        for line in _followed([own]):
            print(line, flush=True)
        return
    shared = [path for path in (folder / "http.log", folder / "events.log") if path.exists()]
    from triggers.registry import load

    if name not in load():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.log")))
        raise ComponentFailed(f"no function or program {name!r}; programs with a log in {shown(folder)}: {known}")
    wanted = f'"function":"{name}"'
    for line in _followed(shared, wanted):
        print(line, flush=True)


def _followed(paths: list[Path], containing: str = "") -> Iterator[str]:
    """Yield the last lines of the files that contain a text, then each new one as it is written."""
    streams = [path.open(errors="replace") for path in paths]
    for stream in streams:
        yield from [line.rstrip("\n") for line in stream if containing in line][-_TAIL_LINES:]
    while True:
        fresh = [line.rstrip("\n") for stream in streams for line in stream if containing in line]
        yield from fresh
        if not fresh:
            time.sleep(_LOOK_EVERY_S)


def show_trace(env: dict[str, str], order: str) -> None:
    """Print each fact that an order set going: when, what, by whom, and which functions acted on it."""
    from shared.adapters.postgres.database import Connection
    from shared.adapters.postgres.trace import trace
    from shared.settings import PostgresSettings

    connection = Connection(PostgresSettings.from_env(env))
    try:
        facts = trace(connection, order)
    finally:
        connection.close()
    if not facts:
        raise ComponentFailed(f"no fact of {order} is known: `ord_…`, `pay_…` or another stream's id is expected")
    began = facts[0].at
    for fact in facts:
        seconds = (fact.at - began).total_seconds()
        acted = f"  → {', '.join(fact.acted)}" if fact.acted else ""
        print(f"{seconds:9.3f} s  {fact.type:28} {fact.stream}  v{fact.version}  by {fact.actor}{acted}")
    print("\ncalls with the same correlation id:")
    for call in _calls({fact.correlation for fact in facts}):
        print(
            f"  {call['time']}  {call['function']:24} {call['outcome']:10} {call['ms']} ms  {call.get('problem') or ''}"
        )


def _calls(correlations: set[str]) -> list[dict[str, object]]:
    folder = LOCAL / (os.environ.get("PROFILE") or "full") / "logs"
    found: list[dict[str, object]] = []
    for path in (folder / "http.log", folder / "events.log"):
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        found += [
            json.loads(line) for line in lines if line.startswith("{") and any(one in line for one in correlations)
        ]
    return sorted(found, key=lambda call: str(call["time"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
