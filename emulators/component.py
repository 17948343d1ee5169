"""What every engine of the local platform is to the launcher: a component that starts and can be stopped.

A component's `start(workdir)` returns a `Running` once the engine answers, never before. `workdir` is the
profile's folder (`.local/<profile>`): data lies in `workdir/data/<name>`, the log in
`workdir/logs/<name>.log`. Every server listens on 127.0.0.1, on a port that was free. Whatever goes wrong
raises `ComponentFailed`, whose message is one line that says what to do.

Standard library only: set-up uses this before anything is installed.

    class Echo:
        name = "echo"

        def start(self, workdir: Path) -> Running:
            port = free_port()
            server = Process(
                self.name, ["echo-server", "--port", str(port)],
                workdir=workdir, ready=lambda: port_open(port),
            )
            server.start()
            return Running(self.name, f"Echo on {port}", {"ECHO_URL": f"http://127.0.0.1:{port}"}, (server,))
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
HOST = "127.0.0.1"
PROFILES = ("full", "light")

_KEEPER = Path(__file__).with_name("keeper.py")
# Below the range that the kernel hands to outgoing connections, so that none of those takes the port
# between our look and the server's bind.
_PORTS = range(20000, 32000)
_given_ports: set[int] = set()
_given_lock = threading.Lock()


interrupted = threading.Event()
"""Set when the person who starts the platform wants it to end: whoever waits for an engine gives up at once."""


class ComponentFailed(Exception):
    """An engine can't be had; the message is one line: what failed and what to do about it."""


class Component(Protocol):
    """One engine of the local platform."""

    @property
    def name(self) -> str:
        """Short and unique: names the log file and the data folder."""

    def start(self, workdir: Path) -> Running:
        """Start the engine and return when it answers. Raises ComponentFailed."""


def profile_folder() -> Path:
    """Return the folder of the profile that PROFILE names, `full` where it is not set.

    CORTADO_WORKDIR names another folder, such as that of a platform which tests have started. Raises ComponentFailed
    for an unknown profile: it would run on engines that nobody asked for.
    """
    if elsewhere := os.environ.get("CORTADO_WORKDIR"):
        return Path(elsewhere)
    profile = os.environ.get("PROFILE") or PROFILES[0]
    if profile not in PROFILES:
        raise ComponentFailed(f"PROFILE={profile} is unknown; it is one of {', '.join(PROFILES)}")
    return LOCAL / profile


def light() -> bool:
    """Tell whether embedded stand-ins are wanted for Kafka and Google's emulators, whatever is on the machine."""
    return os.environ.get("PROFILE") == "light"


def free_port() -> int:
    """Return a loopback TCP port that nobody listens on and that this process has not given out before."""
    with _given_lock:
        for _ in range(200):
            port = random.choice(_PORTS)
            if port not in _given_ports and not port_taken(port):
                _given_ports.add(port)
                return port
    raise ComponentFailed(f"no free port in {_PORTS.start}-{_PORTS.stop - 1}: stop some servers")


def port_for(name: str, wanted: int | None) -> int:
    """Return the wanted port, or a free one where none is wanted. Raises ComponentFailed when it is taken."""
    if wanted is None:
        return free_port()
    if port_taken(wanted):
        raise ComponentFailed(f"{name}: port {wanted} is taken: stop what listens there, or choose another")
    return wanted


def port_taken(port: int) -> bool:
    """Tell whether something listens on the port, on loopback or on every address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
        return False


def port_open(port: int) -> bool:
    """Tell whether a server accepts connections on the loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def http_answers(url: str) -> bool:
    """Tell whether the URL answers over HTTP with any status below 500."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status < 500)
    except urllib.error.HTTPError as refusal:
        return refusal.code < 500
    except (OSError, http.client.HTTPException):
        return False


def wait_until(condition: Callable[[], bool], *, deadline_s: float, what: str) -> None:
    """Return once the condition holds. Raises ComponentFailed naming `what` after `deadline_s` seconds."""
    end = time.monotonic() + deadline_s
    pause_s = 0.01
    while not condition():
        if interrupted.is_set():
            raise ComponentFailed(f"{what}: interrupted")
        if time.monotonic() >= end:
            raise ComponentFailed(f"{what}: not within {deadline_s:g} s")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.3, 0.2)


@dataclass
class Process:
    """One server process, kept by `keeper.py` so that it and its children die with this process.

    `ready` is asked until it holds; `user` (root only) is whom the server runs as; `stop_signal` asks it to
    end, and after `grace_s` seconds it is killed. `hint` is added to the error when it dies at start.
    """

    name: str
    argv: Sequence[str | Path]
    workdir: Path
    ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 10.0
    deadline_s: float = 60.0
    hint: str = ""
    _keeper: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    pid: int = field(default=0, init=False)
    _changing: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)

    @property
    def log(self) -> Path:
        return self.workdir / "logs" / f"{self.name}.log"

    def start(self) -> None:
        """Start the server and return when it is ready. Raises ComponentFailed."""
        self.spawn()
        end = time.monotonic() + self.deadline_s
        pause_s = 0.01
        while not self.ready():
            code = self.exit_code()
            if code is not None:
                raise ComponentFailed(self._obituary(f"{ending(code)} while starting"))
            if interrupted.is_set():
                self.stop()
                raise ComponentFailed(f"{self.name}: interrupted while starting")
            if time.monotonic() >= end:
                self.stop(grace_s=0)
                raise ComponentFailed(self._obituary(f"was not ready within {self.deadline_s:g} s"))
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.3, 0.1)

    def spawn(self) -> None:
        """Start the server without waiting until it answers."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            keeper = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(_KEEPER)),
                    *(str(int(self.stop_signal)), str(self.grace_s), self.user or "-", "--"),
                    *map(str, self.argv),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.cwd,
                env={**os.environ, **self.env},
                start_new_session=True,  # Ctrl-C is for the launcher, which then stops us in order
            )
        self._keeper = keeper
        assert keeper.stdout is not None
        self.pid = int(keeper.stdout.readline() or 0)
        keeper.stdout.close()

    def exit_code(self) -> int | None:
        """Return the server's exit code (128 + n when signal n ended it), or None while it runs."""
        return self._keeper.poll() if self._keeper else 0

    def kill(self) -> None:
        """End the server at once, as a crash would, and return when it is gone."""
        self.stop(grace_s=0)

    def stop(self, grace_s: float | None = None) -> None:
        """Ask the server to end, make it after its grace, and return when it is gone. Safe to repeat."""
        keeper = self._keeper
        if keeper is None:
            return
        if keeper.stdin and not keeper.stdin.closed:
            if grace_s == 0:
                self._kill_group()
            keeper.stdin.close()
        keeper.wait()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # ended by itself in between: what was wanted
            os.killpg(self.pid, signal.SIGKILL)

    def restart(self) -> None:
        """Stop the server and start it again on the same port and data."""
        with self._changing:
            self.stop()
            self.start()

    def spawn_if_ended(self) -> bool:
        """Start the server again if it has ended and nobody is restarting it; tell whether that was so."""
        with self._changing:
            if self.exit_code() is None:
                return False
            self.spawn()
            return True

    def _obituary(self, what: str) -> str:
        last = last_line(self.log)
        hint = f" {self.hint}" if self.hint else ""
        return f"{self.name} {what}: {last or 'it said nothing'}.{hint} Log: {shown(self.log)}"


@dataclass
class Running:
    """An engine that answers: what it is, how to reach it, and how to end it."""

    name: str
    about: str  # one line for people: what runs, which version, where
    env: Mapping[str, str]  # variables that make the platform use it
    processes: tuple[Process, ...] = ()
    scratch: Path | None = None  # data that is not worth keeping once the engine has stopped

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(process.pid for process in self.processes)

    def dead(self) -> Process | None:
        """Return a process of this engine that has ended, if one has."""
        return next((p for p in self.processes if p.exit_code() is not None), None)

    def stop(self, grace_s: float | None = None) -> None:
        for process in reversed(self.processes):
            process.stop(grace_s)
        if self.scratch:
            shutil.rmtree(self.scratch)
            self.scratch = None

    def kill(self) -> None:
        """End the engine as a crash would."""
        for process in self.processes:
            process.kill()

    def restart(self) -> None:
        """Stop the engine and start it again on the same ports and data."""
        for process in self.processes:
            process.restart()


def data_folder(workdir: Path, name: str) -> Path:
    """Return the folder where the component keeps its data between starts, made if need be."""
    folder = workdir / "data" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def ending(code: int) -> str:
    """Return in words how a process ended whose exit code this is; 128 + n stands for signal n."""
    if code > 128:
        return f"was ended by {signal.Signals(code - 128).name}"
    return f"ended with code {code}"


def last_line(log: Path) -> str:
    """Return the last line of a log that says something, at most 200 characters of it."""
    if not log.exists():
        return ""
    tail = log.read_bytes()[-8192:].decode(errors="replace").splitlines()
    return next((line.strip()[:200] for line in reversed(tail) if line.strip()), "")


def shown(path: Path) -> str:
    """Return the path as a person in the project's folder would type it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
