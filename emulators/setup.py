"""`python3 -m emulators.setup`: bring what the platform needs into the project's own folder, once.

Parts run side by side: Python packages, npm packages, Kafka's jars, a Bitcoin node. Each has a digest of what it was
made from; a part whose digest stands in `.local/setup.json` is left alone, so that a second run takes no time.
Packages that a registry ships are checked against the hashes in the lock files, and no install script of npm runs.
What is optional and can't be had is replaced by an embedded stand-in, said in one line.

Runs on the machine's own python3, before anything is installed: standard library only.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from emulators import bitcoin
from emulators.component import LOCAL, ROOT, ComponentFailed, light, profile_folder
from emulators.google_sdk import emulator_jar
from emulators.system_packages import install_missing

OLDEST_PYTHON = (3, 11)
VENV = ROOT / ".venv"

_STAMPS = LOCAL / "setup.json"
_LOGS = LOCAL / "logs"
_PROGRESS_EVERY_S = 10


@dataclass(frozen=True)
class Part:
    """Something to install. `stand_in` is what takes its place when it can't be had; without one it must be had."""

    name: str
    digest: str
    what: str
    install: Callable[[], None]
    stand_in: str = ""


def main(arguments: list[str]) -> int:
    """Install what is missing. `--again` also retries what a stand-in replaced. Return 1 when something must be had."""
    again = "--again" in arguments
    if sys.version_info < OLDEST_PYTHON:
        return _refuse(f"Python 3.11 or later is needed; {sys.executable} is {sys.version.split()[0]}")
    try:
        profile_folder()
    except ComponentFailed as unknown:
        return _refuse(str(unknown))
    stamps = _stamps()

    def todo() -> list[Part]:
        return [part for part in _parts() if _wanted(part, stamps.get(part.name, ""), again)]

    if not todo():
        return 0
    LOCAL.mkdir(exist_ok=True)
    _LOGS.mkdir(exist_ok=True)
    try:
        install_missing(light=light())
        _side_by_side(todo(), stamps)
    except ComponentFailed as failure:
        return _refuse(str(failure))
    except KeyboardInterrupt:
        _refuse("interrupted; the next start goes on where this one ended")
        return 130
    _say_stand_ins()
    return 0


def _parts() -> list[Part]:
    folder = ROOT / "emulators"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    parts = [
        Part("python", _digest(ROOT / "requirements" / "dev.txt", python), "Python packages", _install_python),
        Part("npm", _digest(folder / "package-lock.json"), "anvil and stand-ins from npm", _install_npm),
        Part("bitcoin", "1", "a Bitcoin node", lambda: _ignore(bitcoin.install())),
    ]
    if not light():
        # A Java that comes later replaces the stand-in at the next start.
        jars = _digest(folder / "kafka" / "pom.xml", "".join(_missing_for_kafka()))
        parts.append(Part("kafka", jars, "Apache Kafka", _install_kafka, stand_in="the embedded broker Tansu"))
    return parts


def _wanted(part: Part, stamp: str, again: bool) -> bool:
    if stamp == part.digest:
        return not _in_place(part.name)
    return again or stamp != f"stand-in {part.digest}"


def _in_place(name: str) -> bool:
    """Tell whether what a stamp vouches for still lies there."""
    places = {
        "python": VENV / "bin" / "python",
        "npm": ROOT / "emulators" / "node_modules",
        "bitcoin": LOCAL / "bitcoin",
        "kafka": LOCAL / "kafka" / "lib",
    }
    return places[name].exists() or (name == "bitcoin" and shutil.which("bitcoind") is not None)


def _side_by_side(parts: list[Part], stamps: dict[str, str]) -> None:
    """Install the parts, all at once, and keep their stamps. Raises the first failure of one that must be had."""
    with ThreadPoolExecutor(len(parts)) as pool:
        started = time.monotonic()
        jobs = {part.name: pool.submit(_install, part, started) for part in parts}
        _say(f"{', '.join(part.what for part in parts)} … (logs in .local/logs)")
        while pending := wait_for(jobs.values(), timeout=_PROGRESS_EVERY_S).not_done:
            _progress(jobs, pending, time.monotonic() - started)
    stamps.update({name: job.result() for name, job in jobs.items() if job.exception() is None})
    _STAMPS.write_text(json.dumps(stamps, indent=1))
    for job in jobs.values():
        job.result()


def _progress(jobs: dict[str, Future[str]], pending: set[Future[str]], elapsed_s: float) -> None:
    names = ", ".join(name for name, job in jobs.items() if job in pending)
    _say(f"still at it after {elapsed_s:.0f} s: {names}")


def _install(part: Part, started: float) -> str:
    try:
        part.install()
    except ComponentFailed as failure:
        if not part.stand_in:
            raise
        _say(f"{failure}; {part.stand_in} takes its place")
        return f"stand-in {part.digest}"
    _say(f"{part.what}: there after {time.monotonic() - started:.0f} s")
    return part.digest


def _install_python() -> None:
    if not (VENV / "bin" / "python").exists():
        _run("python", [sys.executable, "-m", "venv", str(VENV)])
    lock = ROOT / "requirements" / "dev.txt"
    python = str(VENV / "bin" / "python")
    if not (VENV / "bin" / "uv").exists():
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as only_uv:
            only_uv.write(_stanza(lock.read_text(), "uv"))
            only_uv.flush()
            pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
            _run("python", [*pip, "-r", only_uv.name])
    sync = [str(VENV / "bin" / "uv"), "pip", "sync", "--require-hashes", "--python", python, str(lock)]
    _run("python", sync)


def _stanza(lock: str, package: str) -> str:
    """Return one package's lines of a lock file, its hashes included."""
    found = re.search(rf"^{package}==.*?(?=^\S)", lock, re.MULTILINE | re.DOTALL)
    if not found:
        raise ComponentFailed(f"setup: requirements/dev.txt does not pin {package}: run `make lock`")
    return "".join(line for line in found[0].splitlines(keepends=True) if not line.lstrip().startswith("#"))


def _install_npm() -> None:
    command = ["npm", "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"]
    _run("npm", command, cwd=ROOT / "emulators")


def _missing_for_kafka() -> list[str]:
    return [program for program in ("java", "mvn") if not shutil.which(program)]


def _install_kafka() -> None:
    if missing := _missing_for_kafka():
        raise ComponentFailed(f"kafka: {' and '.join(missing)} missing")
    fresh = LOCAL / "kafka" / "lib.new"
    shutil.rmtree(fresh, ignore_errors=True)
    pom = ROOT / "emulators" / "kafka" / "pom.xml"
    copy = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={fresh}"]
    _run("kafka", copy)
    shutil.rmtree(LOCAL / "kafka" / "lib", ignore_errors=True)
    fresh.rename(LOCAL / "kafka" / "lib")


def _run(name: str, command: list[str], cwd: Path = ROOT) -> None:
    log = _LOGS / f"setup-{name}.log"
    try:
        with log.open("ab") as out:
            subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True)
    except OSError as failure:
        raise ComponentFailed(f"{name}: can't run {command[0]}: {failure.strerror}") from failure
    except subprocess.CalledProcessError as failure:
        shown = " ".join(Path(word).name for word in command[:3])
        raise ComponentFailed(f"{name}: `{shown} …` failed, see {log.relative_to(ROOT)}") from failure


def _say_stand_ins() -> None:
    """Say which of Google's emulators a stand-in replaces; they come with the Cloud SDK, not from set-up."""
    components = ("pubsub-emulator", "cloud-firestore-emulator")
    missing = [name for name in components if light() or emulator_jar(name) is None]
    if missing:
        why = "PROFILE=light" if light() else "no Cloud SDK with it, or no Java"
        _say(f"{' and '.join(missing)}: {why}; the embedded one takes its place")


def _digest(path: Path, extra: str = "") -> str:
    return sha256(path.read_bytes() + extra.encode()).hexdigest()[:16]


def _stamps() -> dict[str, str]:
    if not _STAMPS.exists():
        return {}
    stamps: dict[str, str] = json.loads(_STAMPS.read_text())
    return stamps


_speaking = threading.Lock()


def _say(line: str) -> None:
    """Tell how it goes, on standard error: standard output belongs to what is set up for, such as `make login`."""
    with _speaking:
        print(f"setup: {line}", file=sys.stderr, flush=True)


def _refuse(why: str) -> int:
    print(f"setup: {why}", file=sys.stderr, flush=True)
    return 1


def _ignore(_: object) -> None:
    """For what is called for its effect."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
