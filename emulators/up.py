"""`make run`: the whole platform on this machine, one line per component, until Ctrl-C.

`--fresh` wipes the profile's data first; `--isolated` gives every function a process of its own, as in the cloud;
`PROFILE=light` takes the embedded stand-ins for Kafka and Google's emulators; `PORT` is where clients reach it.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from emulators import postgres
from emulators.component import ComponentFailed, free_port, interrupted, light, port_taken, profile_folder, shown
from emulators.platform import Platform, running_env, steps
from emulators.stack import Stack, engines

USUAL_PORT = 8080


def main(arguments: list[str]) -> int:
    """Run until asked to stop. Return 1 with one line on standard error when the platform can't be had."""
    options = argparse.ArgumentParser(prog="make run", description="The whole platform on this machine.")
    options.add_argument("--fresh", action="store_true", help="wipe this profile's data first")
    options.add_argument("--isolated", action="store_true", help="a process for every function")
    options.add_argument("--no-seed", action="store_true", help="leave the database empty")
    given = options.parse_args(arguments)
    try:
        workdir = profile_folder()
        with only_one(workdir):
            return _run(workdir, given)
    except ComponentFailed as failure:
        print(f"run: {failure}", file=sys.stderr, flush=True)
        return 1


def _run(workdir: Path, given: argparse.Namespace) -> int:
    started = time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupted.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # `make reload`, before there is anything to reload
    platform = Platform(
        Stack(engines(light=light()), workdir), _say(started), http_port=_http_port(), isolated=given.isolated
    )
    if given.fresh:
        _wipe(workdir)
    try:
        platform.start(steps(seeded=not given.no_seed))
        _welcome(platform, time.monotonic() - started)
        signal.signal(signal.SIGHUP, lambda *_: platform.reload())  # what `make reload` sends
        interrupted.wait()
    except ComponentFailed:
        if not interrupted.is_set():
            raise
    finally:
        print("run: stopping …", flush=True)
        platform.stop()
    return 0


@contextmanager
def temporary(workdir: Path) -> Iterator[dict[str, str]]:
    """Run the platform of a profile for the length of a block; gives its variables. Raises ComponentFailed."""
    with only_one(workdir):
        platform = Platform(Stack(engines(light=light()), workdir), _say(time.monotonic()), http_port=free_port())
        try:
            platform.start(steps())
            yield platform.env
        finally:
            platform.stop()


def _say(started: float) -> Callable[[str], None]:
    return lambda line: print(f"{time.monotonic() - started:6.1f} s  {line}", flush=True)


def _http_port() -> int:
    """Return PORT, or the usual one, or another where that is taken. Raises ComponentFailed for a taken PORT."""
    if "PORT" in os.environ:
        given = os.environ["PORT"]
        if not (given.isascii() and given.isdecimal() and 0 < int(given) < 65536):
            raise ComponentFailed(f"PORT={given} is no port: a number from 1 to 65535 is")
        wanted = int(given)
        if port_taken(wanted):
            raise ComponentFailed(f"port {wanted} is taken: stop what listens there, or choose another with PORT=…")
        return wanted
    if not port_taken(USUAL_PORT):
        return USUAL_PORT
    other = free_port()
    print(f"run: port {USUAL_PORT} is taken, so clients find the platform on {other}; choose with PORT=…", flush=True)
    return other


@contextmanager
def only_one(workdir: Path) -> Iterator[None]:
    """Hold the profile's lock for a block: two platforms would destroy each other's data. Raises ComponentFailed."""
    workdir.mkdir(parents=True, exist_ok=True)
    with (workdir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            env = running_env(workdir)
            does = f"runs already at {env['PUBLIC_URL']}" if env else "is starting or stopping"
            advice = f"stop it with Ctrl-C where it runs, or with `kill {owner}`"
            raise ComponentFailed(f"the platform {does}, as process {owner}: {advice}") from taken
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _wipe(workdir: Path) -> None:
    postgres.remove(workdir)
    shutil.rmtree(workdir / "data", ignore_errors=True)
    shutil.rmtree(workdir / "logs", ignore_errors=True)


def _welcome(platform: Platform, seconds: float) -> None:
    url = platform.url
    print(
        f"""
Cortado is up after {seconds:.1f} s. Ctrl-C stops it; logs are in {shown(platform.workdir / "logs")}.

  API        {url}
  reference  {url}/docs
  e-mail     {platform.env["AWS_ENDPOINT_URL"]}/moto-api/data.json

Try:
  curl -s '{url}/v1/shops?lat=52.52&lon=13.405'
  make demo
  make logs FN=create_order
""",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
