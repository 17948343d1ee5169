"""The supervisor starts anew what ends, tells of it, and ends everything when it is stopped."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulators.component import Process, wait_until
from emulators.keys import COIN_KEYS, SIGNING, keys
from emulators.programs import Program, Supervisor, isolated_programs, process_of, programs
from shared.settings import SigningSettings
from triggers.registry import load

DEADLINE_S = 20
FOREVER = "import time; time.sleep(600)"


class Told(list[str]):
    """What the supervisor said."""


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def supervisor(told: Told) -> Iterator[Supervisor]:
    supervisor = Supervisor(told.append)
    yield supervisor
    supervisor.stop()


def program(name: str, workdir: Path, script: str = FOREVER) -> Process:
    return Process(name, [sys.executable, "-c", script], workdir=workdir, ready=lambda: True, grace_s=1)


def test_a_killed_process_is_started_anew(supervisor: Supervisor, told: Told, tmp_path: Path) -> None:
    supervisor.keep(program("relay", tmp_path))
    first = supervisor.pids["relay"]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: supervisor.pids["relay"] != first, deadline_s=DEADLINE_S, what="a new relay")
    os.kill(supervisor.pids["relay"], 0)
    assert told[0].startswith("relay was ended by SIGKILL, starting it again")


def test_a_process_that_keeps_ending_is_tried_ever_more_slowly(
    supervisor: Supervisor, told: Told, tmp_path: Path
) -> None:
    supervisor.keep(program("broken", tmp_path, "raise SystemExit('no beans')"))
    wait_until(lambda: len(told) >= 3, deadline_s=DEADLINE_S, what="three restarts")
    assert "no beans" in told[-1]


def test_renewed_processes_run_the_code_on_disk_and_their_end_is_no_news(
    supervisor: Supervisor, told: Told, tmp_path: Path
) -> None:
    supervisor.keep(program("http", tmp_path))
    first = supervisor.pids["http"]
    assert supervisor.renew(["http"]) == []
    assert supervisor.pids["http"] != first
    assert told == []


def test_renewing_tells_what_keeps_a_program_from_coming_up(supervisor: Supervisor, tmp_path: Path) -> None:
    script, up = tmp_path / "script.py", tmp_path / "up"
    script.write_text(f"import pathlib, time; pathlib.Path({str(up)!r}).touch(); time.sleep(600)")
    process = Process("http", [sys.executable, script], workdir=tmp_path, ready=up.exists, grace_s=1)
    supervisor.keep(process)
    up.unlink()
    script.write_text("raise SystemExit('a mistake on line 1')")
    [failure] = supervisor.renew(["http"])
    assert "a mistake on line 1" in failure


def test_stopping_ends_everything_and_starts_nothing(told: Told, tmp_path: Path) -> None:
    supervisor = Supervisor(told.append)
    kept = [program(name, tmp_path) for name in ("one", "two")]
    for process in kept:
        supervisor.keep(process)
    supervisor.stop()
    assert all(process.exit_code() is not None for process in kept)
    assert told == []


def test_only_those_who_call_functions_get_the_signing_key(tmp_path: Path) -> None:
    env = keys(tmp_path)
    assert SIGNING in process_of(Program("relay", "triggers.relay", signs=True), tmp_path, env).env
    assert SIGNING not in process_of(Program("http", "emulators.functions"), tmp_path, env).env


def test_only_functions_that_send_coins_get_their_keys(tmp_path: Path) -> None:
    env = keys(tmp_path)
    assert COIN_KEYS in process_of(Program("signing", "emulators.functions", sends_coins=True), tmp_path, env).env
    for isolated in (programs(http_port=1, events_port=2), isolated_programs(http_port=1, events_port=2)):
        given = {one.name for one in isolated if COIN_KEYS in process_of(one, tmp_path, env).env}
        assert given == {one.name for one in isolated if one.sends_coins}
        assert not given & {"http", "events", *(entry.operation for entry in load().http())}


def test_keys_of_an_earlier_version_are_kept_and_what_is_new_is_added(tmp_path: Path) -> None:
    made = keys(tmp_path)
    older = {name: value for name, value in made.items() if name != COIN_KEYS}
    (tmp_path / "keys.json").write_text(json.dumps(older))
    added = keys(tmp_path)
    assert added.items() > older.items()
    assert keys(tmp_path) == added
    SigningSettings.from_env(added)


def test_keys_are_made_once_and_kept_from_others(tmp_path: Path) -> None:
    made = keys(tmp_path)
    assert keys(tmp_path) == made
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0
    assert keys(tmp_path / "other") != made
