"""`make logs FN=…`, `trace ORDER=…`, `reload`, `replay`, `verify STREAM=…`, `redrive`, `sql`: for who works on it.

All of them act on the running platform of this profile.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from emulators.component import ComponentFailed, profile_folder, shown, wait_until
from emulators.platform import RELOADED_FILE, running_env
from emulators.postgres import psql

_TAIL_LINES = 40
_LOOK_EVERY_S = 0.2
_RELOAD_DEADLINE_S = 300


def main(arguments: list[str]) -> int:
    """Do what the first argument names. Return 1 with one line on standard error when it can't be done."""
    try:
        workdir = profile_folder()
        env = running_env(workdir)
        if env is None:
            raise ComponentFailed("the platform does not run here: start it with `make run`")
        os.environ.update(env)
        return _do(arguments, workdir, env)
    except ComponentFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _do(arguments: list[str], workdir: Path, env: dict[str, str]) -> int:
    match arguments:
        case ["logs", name]:
            logs(workdir / "logs", name)
        case ["trace", order]:
            show_trace(order, workdir / "logs")
        case ["reload"]:
            return reload(workdir, int(env["CORTADO_RUN_PID"]))
        case ["replay"]:
            _become("shared.adapters.postgres.replay")
        case ["verify", stream]:
            _become("shared.adapters.postgres.verify", stream)
        case ["redrive", *what]:
            _become("triggers.redrive", *what)
        case ["sql", *query]:
            psql(env["DATABASE_URL"], *query)
        case [what, *_]:
            raise ComponentFailed(f"say which: make {what} {_MISSING.get(what, '')}")
        case _:
            raise ComponentFailed("say what: logs, trace, reload, replay, verify, redrive or sql")
    return 0


def _become(module: str, *arguments: str) -> NoReturn:
    """Go on as another program of the project, on the platform's variables."""
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


_MISSING = {
    "logs": "FN=create_order, or a program such as relay, dispatcher, kafka",
    "trace": "ORDER=ord_…",
    "verify": "STREAM=ord_…",
}


def reload(workdir: Path, run_pid: int) -> int:
    """Have `make run` start its programs anew, and return once they serve: 0, or 1 when one did not come up."""
    told = workdir / RELOADED_FILE
    told.unlink(missing_ok=True)
    began = time.monotonic()
    os.kill(run_pid, signal.SIGHUP)
    wait_until(told.exists, deadline_s=_RELOAD_DEADLINE_S, what="functions, relay, dispatcher and ticker started anew")
    failures = told.read_text()
    if failures:
        print(failures, end="", file=sys.stderr)
        return 1
    print(f"functions, relay, dispatcher and ticker run anew after {time.monotonic() - began:.1f} s")
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
        raise ComponentFailed(
            f"no function or program {name!r}: `python -m triggers list` shows the functions;"
            f" programs with a log in {shown(folder)} are {known}"
        )
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


def show_trace(order: str, logs_folder: Path) -> None:
    """Print each fact of an order's story: when, what, by whom, and which functions acted on it."""
    from shared.adapters.postgres.database import Connection
    from shared.adapters.postgres.trace import trace
    from shared.settings import PostgresSettings

    connection = Connection(PostgresSettings.from_env())
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
    print("\ncalls with the same correlation ids:")
    for call in _calls(logs_folder, {fact.correlation for fact in facts}):
        print(
            f"  {call['time']}  {call['function']:24} {call['outcome']:10} {call['ms']} ms  {call.get('problem') or ''}"
        )


def _calls(folder: Path, correlations: set[str]) -> list[dict[str, object]]:
    """Return the calls that functions logged under one of these correlation ids, in order of time."""
    found: list[dict[str, object]] = []
    for path in folder.glob("*.log"):
        lines = path.read_text(errors="replace").splitlines()
        ours = (line for line in lines if line.startswith("{") and any(one in line for one in correlations))
        calls = map(json.loads, ours)
        found += [call for call in calls if "function" in call]
    return sorted(found, key=lambda call: str(call["time"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
