"""The platform's own long-running programs: started on the engines' variables, started anew when they end."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from emulators.component import (
    HOST,
    ROOT,
    ComponentFailed,
    Process,
    ending,
    free_port,
    http_answers,
    last_line,
    shown,
)
from emulators.keys import COIN_KEYS, SIGNING

STARTED_AT_ONCE = 4  # programs; each is a second of computing to import

_LOOK_EVERY_S = 0.2
_STABLE_S = 10.0  # who ran this long did not fail to start
_LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True)
class Program:
    """One program: `python -m <module> <arguments>`."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    signs: bool = False  # calls functions, so it is given the key that service tokens are signed with
    sends_coins: bool = False  # has the functions that sign with the hot wallets' keys
    port: int | None = None  # what it serves HTTP on

    def ready(self) -> bool:
        """Tell whether it serves; a program without a port is ready once it runs."""
        return self.port is None or http_answers(f"http://{HOST}:{self.port}/livez")


_FUNCTIONS = "emulators.functions"
WORKERS = (
    Program("relay", "triggers.relay", signs=True),
    Program("dispatcher", "triggers.dispatcher", signs=True),
    Program("ticker", "triggers.ticker", signs=True),
)


def programs(*, http_port: int, events_port: int) -> list[Program]:
    """Return the programs of a platform whose functions listen on these ports, two processes for most of them.

    Those that send coins have a third, so that their keys are in no other.
    """
    from emulators.functions import entries_of
    from triggers.registry import load

    sending = entries_of(load(), "signing")
    port = free_port()
    addresses = {entry.operation: f"http://{HOST}:{port}/{entry.operation}" for entry in sending}
    events = ("--role", "events", "--port", str(events_port), "--elsewhere", json.dumps(addresses))
    found = [
        Program("http", _FUNCTIONS, ("--role", "http", "--port", str(http_port)), port=http_port),
        Program("events", _FUNCTIONS, events, port=events_port),
    ]
    if sending:
        arguments = ("--role", "signing", "--port", str(port))
        found.append(Program("signing", _FUNCTIONS, arguments, sends_coins=True, port=port))
    return [*found, *WORKERS]


def isolated_programs(*, http_port: int, events_port: int) -> list[Program]:
    """Return the same with a process for every function, run as its image runs it, and two that find them."""
    from emulators.functions import entries_of
    from triggers.needs import KEYS
    from triggers.registry import load

    found: list[Program] = []
    for role, port in (("http", http_port), ("events", events_port)):
        entries = entries_of(load(), role)
        ports = {entry.operation: free_port() for entry in entries}
        for entry in entries:
            own = {"FUNCTION_TARGET": entry.target, "FUNCTION_SOURCE": str(entry.source), "HOST": HOST}
            own["PORT"] = str(ports[entry.operation])
            sends = KEYS in entry.needs
            found.append(
                Program(entry.operation, "shared.edge.serve", env=own, sends_coins=sends, port=ports[entry.operation])
            )
        addresses = {operation: f"http://{HOST}:{each}" for operation, each in ports.items()}
        arguments = ("--role", role, "--port", str(port), "--elsewhere", json.dumps(addresses))
        found.append(Program(role, _FUNCTIONS, arguments, port=port))
    return [*found, *WORKERS]


@dataclass
class _Kept:
    process: Process
    own: bool  # started here, so stopped here
    started_at: float = 0.0
    failures: int = 0
    renewing: bool = False  # is being restarted on purpose, so its end is no news


@dataclass
class Supervisor:
    """Keeps processes running until it is stopped. `say` hears of every end and restart."""

    say: Callable[[str], None]
    _kept: dict[str, _Kept] = field(default_factory=dict, init=False)
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)
    _watch: threading.Thread | None = field(default=None, init=False)

    def keep(self, process: Process) -> None:
        """Start the process, wait until it is ready, and keep it running from then on. Raises ComponentFailed."""
        process.start()
        self._add(process, own=True)

    def watch(self, process: Process) -> None:
        """Keep a process running that was started elsewhere, and is stopped there."""
        self._add(process, own=False)

    def _add(self, process: Process, *, own: bool) -> None:
        self._kept[process.name] = _Kept(process, own, time.monotonic())
        if self._watch is None:
            self._watch = threading.Thread(target=self._look, name="supervisor", daemon=True)
            self._watch.start()

    @property
    def pids(self) -> dict[str, int]:
        """Return the present process ids by name; they change when a process is started anew."""
        return {name: kept.process.pid for name, kept in list(self._kept.items())}

    def renew(self, names: Iterable[str]) -> list[str]:
        """Start these processes anew, with the code that lies on the disk now, and wait until they are ready.

        Return what is wrong with those that did not come up, one line each; they are tried again like any that ended.
        """
        with ThreadPoolExecutor(STARTED_AT_ONCE) as pool:
            return [failure for failure in pool.map(self._renewed, list(names)) if failure]

    def _renewed(self, name: str) -> str:
        kept = self._kept[name]
        kept.renewing = True
        try:
            kept.process.restart()
        except ComponentFailed as failure:
            return str(failure)
        finally:
            kept.started_at, kept.failures, kept.renewing = time.monotonic(), 0, False
        return ""

    def stop(self, grace_s: float | None = None) -> None:
        """Start nothing anew from now on, and stop what was started here, all at once."""
        self._stopping.set()
        if self._watch is not None:
            self._watch.join()
        own = [kept.process for kept in self._kept.values() if kept.own]
        with ThreadPoolExecutor(max(len(own), 1)) as pool:
            for stopped in [pool.submit(process.stop, grace_s) for process in own]:
                stopped.result()

    def _look(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_S):
            for name, kept in list(self._kept.items()):
                code = kept.process.exit_code()
                if code is not None and not kept.renewing and not self._stopping.is_set():
                    self._again(name, kept, code)

    def _again(self, name: str, kept: _Kept, code: int) -> None:
        kept.failures = 0 if time.monotonic() - kept.started_at > _STABLE_S else kept.failures + 1
        pause_s = min(0.1 * 2**kept.failures, _LONGEST_PAUSE_S) if kept.failures else 0.0
        log = shown(kept.process.log)
        why = f"see {log}" if code > 128 else f"{log}: {last_line(kept.process.log)}"  # who is killed has no last words
        self.say(f"{name} {ending(code)}, starting it again ({why})")
        if not self._stopping.wait(pause_s) and kept.process.spawn_if_ended():
            kept.started_at = time.monotonic()


def process_of(program: Program, workdir: Path, env: Mapping[str, str]) -> Process:
    """Return the program as a process that is not started yet. `env` has the platform's variables, keys included."""
    withheld = {name for name, given in ((SIGNING, program.signs), (COIN_KEYS, program.sends_coins)) if not given}
    env = {name: value for name, value in env.items() if name not in withheld}
    return Process(
        program.name,
        [sys.executable, "-m", program.module, *program.arguments],
        workdir=workdir,
        ready=program.ready,
        env={**env, **program.env, "PYTHONUNBUFFERED": "1"},
        cwd=ROOT,
        grace_s=10,
        deadline_s=60,
    )
