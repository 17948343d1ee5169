"""What `make run` and its companions say to somebody who starts them wrongly, or wants them to end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulators.component import HOST, LOCAL, ROOT, ComponentFailed, Process, free_port, interrupted, profile_folder
from emulators.platform import ENV_FILE, running_env


def called(module: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("PROFILE", "PORT", "TOKEN")}
    return subprocess.run(
        [sys.executable, "-m", f"emulators.{module}", *arguments],
        env=environment | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def refusal(run: subprocess.CompletedProcess[str]) -> str:
    """The one line that a refused command says."""
    assert run.returncode == 1
    [line] = run.stderr.splitlines()
    return line


@pytest.mark.parametrize("port", ["coffee", "0", "65536", "-1", "80.5", "8080 "])
def test_a_port_that_is_none_is_refused(port: str, tmp_path: Path) -> None:
    assert f"PORT={port} is no port" in refusal(called("up", PORT=port, CORTADO_WORKDIR=str(tmp_path)))


def test_a_taken_port_is_refused_before_any_data_is_wiped(tmp_path: Path) -> None:
    kept = tmp_path / "data" / "kept"
    kept.parent.mkdir()
    kept.touch()
    with socket.create_server((HOST, free_port())) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port} is taken" in refusal(called("up", "--fresh", PORT=port, CORTADO_WORKDIR=str(tmp_path)))
    assert kept.exists()


@pytest.mark.parametrize("module", ["up", "demo", "look", "by_hand"])
def test_an_unknown_profile_is_refused(module: str) -> None:
    assert "PROFILE=lihgt is unknown; it is one of full, light" in refusal(called(module, PROFILE="lihgt"))


@pytest.mark.parametrize("command", ["logs", "trace", "reload", "replay", "verify", "redrive", "sql"])
def test_without_a_platform_one_line_says_how_to_start_one(command: str, tmp_path: Path) -> None:
    assert "make run" in refusal(called("look", command, CORTADO_WORKDIR=str(tmp_path)))


def test_the_profile_names_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROFILE", raising=False)
    assert profile_folder() == LOCAL / "full"
    monkeypatch.setenv("PROFILE", "light")
    assert profile_folder() == LOCAL / "light"


def test_a_platform_that_was_killed_does_not_run(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / ENV_FILE).write_text(f'{{"CORTADO_RUN_PID": "{gone.pid}"}}')
    assert running_env(tmp_path) is None


@pytest.fixture
def unbroken() -> Iterator[None]:
    yield
    interrupted.clear()


@pytest.mark.usefixtures("unbroken")
def test_who_interrupts_a_start_does_not_wait_for_its_end(tmp_path: Path) -> None:
    slow = Process("slow", ["sleep", "600"], workdir=tmp_path, ready=lambda: False, deadline_s=600)
    timer = threading.Timer(0.2, interrupted.set)
    timer.start()
    with pytest.raises(ComponentFailed, match="interrupted"):
        slow.start()
    timer.join()
    assert slow.exit_code() == 128 + signal.SIGTERM
