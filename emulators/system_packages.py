"""Programs that have to be on the machine: named, and on Debian or Ubuntu as root installed.

Standard library only: part of set-up.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys

from emulators.component import ComponentFailed

# What to look for → the Debian package that brings it.
_NEEDED = {"node": "nodejs", "npm": "npm"}
_WELCOME = {"java": "default-jre-headless", "mvn": "maven"}
_VENV = "python3-venv"


def install_missing(*, light: bool) -> None:
    """Have every program that set-up needs. Raises ComponentFailed naming the command when it can't be installed here.

    Java and Maven are welcome, not needed: without them embedded stand-ins run.
    """
    needed = [package for program, package in _NEEDED.items() if not shutil.which(program)]
    if importlib.util.find_spec("ensurepip") is None:
        needed.append(_VENV)
    welcome = [] if light else [package for program, package in _WELCOME.items() if not shutil.which(program)]
    debian_root = shutil.which("apt-get") is not None and os.geteuid() == 0
    if debian_root and (needed or welcome):
        _apt_install(needed, welcome)
    elif needed:
        raise ComponentFailed(f"missing on this machine; install with: {_command(needed)}")


def _apt_install(needed: list[str], welcome: list[str]) -> None:
    _say(f"installing system packages: {' '.join(needed + welcome)}")
    _apt("update")
    if needed and not _apt("install", *needed):
        raise ComponentFailed(f"installing {' '.join(needed)} failed; try yourself: {_command(needed)}")
    if welcome and not _apt("install", *welcome):
        print(
            f"setup: {' '.join(welcome)} can't be installed: embedded stand-ins take their place",
            file=sys.stderr,
            flush=True,
        )


def _say(line: str) -> None:
    print(f"setup: {line}", file=sys.stderr, flush=True)


def _apt(action: str, *packages: str) -> bool:
    command = ["apt-get", "-qq", "-y", action]
    if action == "install":
        command.append("--no-install-recommends")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run = subprocess.run([*command, *packages], env=environment, capture_output=True, check=False)
    return run.returncode == 0


def _command(packages: list[str]) -> str:
    if shutil.which("apt-get"):
        return f"sudo apt-get install -y {' '.join(packages)}"
    if shutil.which("brew"):
        return "brew install node python@3.12"
    return "your system's packages for Node.js 18+ (with npm) and Python 3.11+ (with venv)"
